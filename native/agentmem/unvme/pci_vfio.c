/* The vfio half of pci.h: the kernel's IOMMU lets the device reach what was mapped for it, nothing else.
 *
 * Invariant: what is mapped stays so until the container is closed, which am_pci_close does last.
 */
#include "pci.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int open_group(const char *address, const char *sysfs, struct am_pci *pci, char *why)
{
    char path[PATH_MAX], link[PATH_MAX];
    struct vfio_group_status status = {.argsz = sizeof status};
    snprintf(path, sizeof path, "%s/iommu_group", sysfs);
    const ssize_t bytes = readlink(path, link, sizeof link - 1);
    link[bytes > 0 ? bytes : 0] = 0;
    const char *slash = strrchr(link, '/');
    if (slash == NULL)
        return am_nvme_because(why, AM_NVME_REFUSED, "%s has no IOMMU group", address);
    snprintf(path, sizeof path, "/dev/vfio/%.40s", slash + 1);
    pci->group = open(path, O_RDWR | O_CLOEXEC);
    if (pci->group < 0 && errno == EBUSY)
        return am_nvme_because(why, AM_NVME_BUSY, "%s: another process has it", address);
    if (pci->group < 0)
        return am_nvme_because(why, AM_NVME_REFUSED, "%.60s: %s", path, strerror(errno));
    if (ioctl(pci->group, VFIO_GROUP_GET_STATUS, &status) != 0
        || (status.flags & VFIO_GROUP_FLAGS_VIABLE) == 0)
        return am_nvme_because(why, AM_NVME_REFUSED,
                               "%.60s: other devices of the group belong to drivers of the kernel", path);
    return 0;
}

int am_pci_vfio_open(const char *address, const char *sysfs, struct am_pci *pci, char why[AM_NVME_WHY])
{
    struct vfio_region_info region = {.argsz = sizeof region, .index = VFIO_PCI_BAR0_REGION_INDEX};
    struct vfio_region_info config = {.argsz = sizeof config, .index = VFIO_PCI_CONFIG_REGION_INDEX};
    pci->iommu = true;
    pci->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
    if (pci->container < 0)
        return am_nvme_because(why, AM_NVME_REFUSED, "/dev/vfio/vfio: %s", strerror(errno));
    if (ioctl(pci->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION
        || ioctl(pci->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1)
        return am_nvme_because(why, AM_NVME_REFUSED, "this kernel's vfio has no IOMMU of type 1");
    const int status = open_group(address, sysfs, pci, why);
    if (status != 0)
        return status;
    if (ioctl(pci->group, VFIO_GROUP_SET_CONTAINER, &pci->container) != 0
        || ioctl(pci->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) != 0
        || (pci->device = ioctl(pci->group, VFIO_GROUP_GET_DEVICE_FD, address)) < 0)
        return am_nvme_because(why, AM_NVME_REFUSED, "%s: vfio does not give it: %s", address,
                               strerror(errno));
    pci->config = pci->device;
    if (ioctl(pci->device, VFIO_DEVICE_GET_REGION_INFO, &config) != 0
        || ioctl(pci->device, VFIO_DEVICE_GET_REGION_INFO, &region) != 0 || region.size == 0
        || (region.flags & VFIO_REGION_INFO_FLAG_MMAP) == 0)
        return am_nvme_because(why, AM_NVME_REFUSED, "%s: its registers cannot be mapped", address);
    pci->config_at = config.offset;
    pci->register_bytes = (size_t)region.size;
    void *at = mmap(NULL, pci->register_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, pci->device,
                    (off_t)region.offset);
    if (at == MAP_FAILED)
        return am_nvme_because(why, AM_NVME_REFUSED, "%s: its registers cannot be mapped: %s", address,
                               strerror(errno));
    pci->registers = at;
    return 0;
}

int am_pci_vfio_map(struct am_pci *pci, void *bytes, size_t size, uint64_t address)
{
    struct vfio_iommu_type1_dma_map map = {.argsz = sizeof map,
                                           .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
                                           .vaddr = (uint64_t)(uintptr_t)bytes,
                                           .iova = address,
                                           .size = size};
    return ioctl(pci->container, VFIO_IOMMU_MAP_DMA, &map) == 0 ? 0 : AM_NVME_MEMORY;
}
