/* See pci.h: what both ways have in common, and uio. */
#include "pci.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMAND 4 /* in the configuration */
enum { MEMORY = 2, MASTER = 4, NO_INTERRUPT = 1 << 10 };

static bool number(const char *sysfs, const char *name, uint32_t *value)
{
    char path[PATH_MAX], text[32] = "";
    snprintf(path, sizeof path, "%s/%s", sysfs, name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t bytes = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    *value = (uint32_t)strtoul(text, NULL, 16);
    return bytes > 0;
}

static const char *driver_of(const char *sysfs, char room[PATH_MAX])
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/driver", sysfs);
    const ssize_t bytes = readlink(path, room, PATH_MAX - 1);
    if (bytes <= 0)
        return "";
    room[bytes] = 0;
    const char *slash = strrchr(room, '/');
    return slash == NULL ? room : slash + 1;
}

/* The device that stands for the binding. As long as it is open the kernel knows that somebody uses it, and
 * takes bus mastering away at the close. */
static int uio_device(const char *sysfs)
{
    char path[PATH_MAX];
    int fd = -1;
    snprintf(path, sizeof path, "%s/uio", sysfs);
    DIR *listing = opendir(path);
    for (struct dirent *entry; listing != NULL && fd < 0 && (entry = readdir(listing)) != NULL;)
        if (strncmp(entry->d_name, "uio", 3) == 0) {
            snprintf(path, sizeof path, "/dev/%.40s", entry->d_name);
            fd = open(path, O_RDWR | O_CLOEXEC);
        }
    if (listing != NULL)
        closedir(listing);
    return fd;
}

static int uio_open(const char *address, const char *sysfs, struct am_pci *pci, char *why)
{
    char path[PATH_MAX];
    struct stat is;
    snprintf(path, sizeof path, "%s/config", sysfs);
    pci->config = open(path, O_RDWR | O_CLOEXEC);
    if (pci->config < 0)
        return am_nvme_because(why, AM_NVME_REFUSED, "%s: %s", path, strerror(errno));
    /* The lock comes first: whoever opens the uio device and closes it again, ends everybody's bus
     * mastering. */
    if (flock(pci->config, LOCK_EX | LOCK_NB) != 0)
        return am_nvme_because(why, AM_NVME_BUSY, "%s: another process has it", address);
    pci->device = uio_device(sysfs);
    if (pci->device < 0)
        return am_nvme_because(why, AM_NVME_REFUSED, "%s: its uio device cannot be opened: %s", address,
                               strerror(errno));
    snprintf(path, sizeof path, "%s/resource0", sysfs);
    const int fd = open(path, O_RDWR | O_CLOEXEC | O_SYNC);
    if (fd < 0 || fstat(fd, &is) != 0 || is.st_size < 1) {
        am_nvme_because(why, AM_NVME_REFUSED, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return AM_NVME_REFUSED;
    }
    pci->register_bytes = (size_t)is.st_size;
    void *at = mmap(NULL, pci->register_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    const int error = errno;
    close(fd);
    if (at == MAP_FAILED)
        return am_nvme_because(why, AM_NVME_REFUSED, "%s cannot be mapped: %s", path, strerror(error));
    pci->registers = at;
    return 0;
}

static size_t digits(const char *text)
{
    return strspn(text, "0123456789abcdef");
}

bool am_pci_address(const char *text)
{
    const size_t domain = digits(text);
    return domain >= 4 && domain <= 8 && text[domain] == ':' && digits(text + domain + 1) == 2
           && text[domain + 3] == ':' && digits(text + domain + 4) == 2 && text[domain + 6] == '.'
           && text[domain + 7] >= '0' && text[domain + 7] <= '7' && text[domain + 8] == 0;
}

int am_pci_open(const char *address, uint32_t want, struct am_pci *pci, char why[AM_NVME_WHY])
{
    char sysfs[64], link[PATH_MAX];
    uint32_t class = 0;
    *pci = (struct am_pci){.device = -1, .config = -1, .container = -1, .group = -1};
    if (!am_pci_address(address))
        return am_nvme_because(why, AM_NVME_REFUSED, "%s is no PCI address; one is like 0000:00:04.0",
                               address);
    snprintf(sysfs, sizeof sysfs, "/sys/bus/pci/devices/%s", address);
    if (!number(sysfs, "class", &class))
        return am_nvme_because(why, AM_NVME_REFUSED, "%s: there is no such PCI device", address);
    if (class != want)
        return am_nvme_because(why, AM_NVME_REFUSED, "%s is no NVMe controller (class %06x)", address, class);
    const char *driver = driver_of(sysfs, link);
    int status;
    if (strcmp(driver, "vfio-pci") == 0)
        status = am_pci_vfio_open(address, sysfs, pci, why);
    else if (strcmp(driver, "uio_pci_generic") == 0)
        status = uio_open(address, sysfs, pci, why);
    else
        status = am_nvme_because(why, AM_NVME_REFUSED,
                                 "%s belongs to %s; bind it to vfio-pci or uio_pci_generic", address,
                                 driver[0] ? driver : "no driver");
    if (status == 0 && am_pci_master(pci, false) != 0)
        status = am_nvme_because(why, AM_NVME_REFUSED, "%s: its configuration cannot be written", address);
    if (status != 0)
        am_pci_close(pci);
    return status;
}

int am_pci_master(struct am_pci *pci, bool on)
{
    uint16_t command;
    const off_t at = (off_t)(pci->config_at + COMMAND);
    if (pread(pci->config, &command, sizeof command, at) != (ssize_t)sizeof command)
        return AM_NVME_GONE;
    command |= MEMORY | NO_INTERRUPT;
    command = (uint16_t)(on ? command | MASTER : command & ~MASTER);
    return pwrite(pci->config, &command, sizeof command, at) == (ssize_t)sizeof command ? 0 : AM_NVME_GONE;
}

void am_pci_close(struct am_pci *pci)
{
    if (pci->registers != NULL) { /* then it is ours */
        am_pci_master(pci, false);
        munmap((void *)(uintptr_t)pci->registers, pci->register_bytes);
    }
    if (pci->config >= 0 && pci->config != pci->device)
        close(pci->config);
    if (pci->device >= 0)
        close(pci->device);
    if (pci->group >= 0)
        close(pci->group);
    if (pci->container >= 0)
        close(pci->container);
    *pci = (struct am_pci){.device = -1, .config = -1, .container = -1, .group = -1};
}
