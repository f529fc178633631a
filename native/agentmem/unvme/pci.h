/* A PCI device that belongs to this process: its registers, its configuration, what it may reach of memory.
 *
 * Knows nothing of NVMe. Two ways in, by the driver that the administrator has bound to the device: vfio-pci,
 * where an IOMMU keeps the device to the memory that it was given, and uio_pci_generic, where it reaches
 * everything and only root may. Invariant: while the struct lives no other process that asks in the same way
 * has the device; bus mastering is off before am_pci_master and after the close, also when the process is
 * killed (both kernel drivers see to it).
 */
#ifndef AM_NVME_PCI_H
#define AM_NVME_PCI_H

#include "status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct am_pci {
    bool iommu;                  /* vfio: the device sees addresses that we choose */
    volatile uint8_t *registers; /* of the first region */
    size_t register_bytes;
    int device, config;          /* config: what its configuration is read from, at config_at */
    uint64_t config_at;
    int container, group;        /* of vfio, else -1 */
};

/* Whether this can be a PCI address, like 0000:00:04.0: a name in sysfs, and no way out of it. */
bool am_pci_address(const char *text);
/* address: like 0000:00:04.0. want: the class, base class in bits 16 to 23. */
int am_pci_open(const char *address, uint32_t want, struct am_pci *pci, char why[AM_NVME_WHY]);
int am_pci_master(struct am_pci *pci, bool on); /* may it read and write memory? interrupts stay off */
void am_pci_close(struct am_pci *pci);

/* pci_vfio.c: the vfio half; sysfs is the device's folder there. */
int am_pci_vfio_open(const char *address, const char *sysfs, struct am_pci *pci, char why[AM_NVME_WHY]);
int am_pci_vfio_map(struct am_pci *pci, void *bytes, size_t size, uint64_t address);

#endif
