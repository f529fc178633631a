# The commands of the house; each is a short script in scripts/.
.PHONY: up test test-all test-kernel bench lint format fuzz docs vendor lock release clean

up:        ## set up, fetch the models, start the service
	@scripts/up.sh
test:      ## the fast suite, with the real small models
	@scripts/test.sh
test-all:  ## everything, with a browser and kill -9
	@scripts/test-all.sh
test-kernel: ## the kernel module in Debian's kernels, under QEMU
	@python3 -m scripts.kernel
fuzz:      ## ten minutes of made-up bytes for each parser of foreign ones
	@scripts/fuzz.sh
bench:     ## the figures of SPEC.md
	@scripts/bench.sh
lint:      ## style, types, shell syntax
	@scripts/lint.sh
format:    ## mend what lint can mend
	@scripts/format.sh
docs:      ## write the generated pages of docs/ again
	@scripts/docs.sh
vendor:    ## fetch the dashboard's vendored files again
	@scripts/vendor.sh
lock:      ## write requirements*.lock again
	@scripts/lock.sh
release:   ## make sdist and wheel in dist/, and try the wheel where there is no checkout
	@scripts/release.sh
clean:     ## remove what was made; downloaded models stay
	@scripts/clean.sh
