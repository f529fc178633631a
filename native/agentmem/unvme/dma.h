/* Memory that the device reads and writes, and the address by which it knows each page of it.
 *
 * Knows nothing of NVMe. Invariant: the memory neither moves nor goes while the struct lives. With vfio the
 * kernel pins it and the IOMMU maps it, until the device is let go, also when the process is killed. With uio
 * it is huge pages, locked, and the addresses are physical; a file holds them, because of a killed process
 * the kernel frees the memory first and closes the files, the device's among them, later.
 */
#ifndef AM_NVME_DMA_H
#define AM_NVME_DMA_H

#include "pci.h"

#define AM_DMA_PAGE 4096u
#define AM_DMA_HUGE (2u << 20)
#define AM_DMA_HUGES 2u
#define AM_DMA_BYTES (AM_DMA_HUGES * AM_DMA_HUGE)

struct am_dma {
    uint8_t *bytes; /* AM_DMA_BYTES, zeros at first */
    uint64_t page[AM_DMA_HUGES];
    int file; /* that holds them */
};

int am_dma_make(struct am_pci *pci, struct am_dma *dma, char why[AM_NVME_WHY]);
void am_dma_free(struct am_dma *dma); /* after am_pci_close */

static inline uint64_t am_dma_address(const struct am_dma *dma, const void *at)
{
    const uint64_t offset = (uint64_t)((const uint8_t *)at - dma->bytes);
    return dma->page[offset / AM_DMA_HUGE] + offset % AM_DMA_HUGE;
}

#endif
