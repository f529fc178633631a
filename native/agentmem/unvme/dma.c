/* See dma.h. */
#include "dma.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_2M (21u << 26) /* MFD_HUGE_2MB, whatever size the machine prefers */
#define FIRST_ADDRESS (UINT64_C(1) << 28) /* what a device behind an IOMMU calls the first byte */

static bool pages(struct am_dma *dma, unsigned huge)
{
    dma->file = memfd_create("nvme", MFD_CLOEXEC | huge);
    if (dma->file < 0)
        return false;
    void *at = MAP_FAILED;
    if (ftruncate(dma->file, AM_DMA_BYTES) == 0)
        at = mmap(NULL, AM_DMA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, dma->file, 0);
    if (at != MAP_FAILED) {
        dma->bytes = at;
        return true;
    }
    const int error = errno;
    close(dma->file);
    dma->file = -1;
    errno = error;
    return false;
}

/* Where a page lies in the machine; 0 when the kernel does not tell. */
static uint64_t physical(int map, const uint8_t *at)
{
    uint64_t entry = 0;
    const off_t offset = (off_t)((uintptr_t)at / AM_DMA_PAGE * sizeof entry);
    const bool told = pread(map, &entry, sizeof entry, offset) == (ssize_t)sizeof entry;
    return !told || entry >> 63 == 0 ? 0 : (entry & ((UINT64_C(1) << 55) - 1)) * AM_DMA_PAGE;
}

static int find_pages(struct am_dma *dma, char *why)
{
    const int map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    int status = 0;
    for (size_t i = 0; i < AM_DMA_HUGES && status == 0; i++) {
        dma->page[i] = map < 0 ? 0 : physical(map, dma->bytes + i * AM_DMA_HUGE);
        if (dma->page[i] == 0)
            status = am_nvme_because(why, AM_NVME_MEMORY,
                                     "the kernel does not tell where memory lies (CAP_SYS_ADMIN); "
                                     "use vfio-pci");
    }
    if (map >= 0)
        close(map);
    return status;
}

int am_dma_make(struct am_pci *pci, struct am_dma *dma, char why[AM_NVME_WHY])
{
    int status = 0;
    if (sysconf(_SC_PAGESIZE) != AM_DMA_PAGE)
        return am_nvme_because(why, AM_NVME_REFUSED, "this kernel's pages are not of %u bytes", AM_DMA_PAGE);
    if (!pages(dma, MFD_HUGETLB | HUGE_2M) && !(pci->iommu && pages(dma, 0)))
        return am_nvme_because(why, AM_NVME_MEMORY,
                               "no huge pages: echo %u > /proc/sys/vm/nr_hugepages (%s)", AM_DMA_HUGES,
                               strerror(errno));
    madvise(dma->bytes, AM_DMA_BYTES, MADV_DONTFORK);
    if (pci->iommu) {
        for (size_t i = 0; i < AM_DMA_HUGES; i++)
            dma->page[i] = FIRST_ADDRESS + i * AM_DMA_HUGE;
        if (am_pci_vfio_map(pci, dma->bytes, AM_DMA_BYTES, FIRST_ADDRESS) != 0)
            status = am_nvme_because(why, AM_NVME_MEMORY, "the IOMMU does not take %u bytes: %s (ulimit -l?)",
                                     AM_DMA_BYTES, strerror(errno));
    } else {
        if (mlock(dma->bytes, AM_DMA_BYTES) != 0)
            status = am_nvme_because(why, AM_NVME_MEMORY, "memory cannot be locked: %s", strerror(errno));
        else
            status = find_pages(dma, why);
    }
    if (status != 0)
        am_dma_free(dma);
    return status;
}

void am_dma_free(struct am_dma *dma)
{
    if (dma->bytes == NULL)
        return;
    munmap(dma->bytes, AM_DMA_BYTES);
    close(dma->file);
    dma->bytes = NULL;
}
