'use strict'
// Before packing: the C sources that the addon is built from are copied here, so that the package stands alone.
const fs = require('node:fs')
const path = require('node:path')

const target = path.join(__dirname, 'vendor')
fs.rmSync(target, { recursive: true, force: true })
for (const [folder, wanted] of [['lib', /^(client.*|blake3.*|layout|passing|wire)\.[ch]$/], ['include', /\.h$/]]) {
  fs.mkdirSync(path.join(target, folder), { recursive: true })
  const from = path.join(__dirname, '..', folder)
  for (const name of fs.readdirSync(from).filter((name) => wanted.test(name))) {
    fs.copyFileSync(path.join(from, name), path.join(target, folder, name))
  }
}
