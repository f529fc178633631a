#!/bin/busybox sh
# Give the guest's only NVMe controller to another driver: bind.sh DRIVER; its address goes to /tmp/address.
set -eu
for device in /sys/bus/pci/devices/*; do
    if [ "$(cat "$device/class")" = 0x010802 ]; then break; fi
done
address=$(basename "$device")
if [ -e "$device/driver" ]; then echo "$address" >"$device/driver/unbind"; fi
echo "$1" >"$device/driver_override"
echo "$address" >/sys/bus/pci/drivers_probe
[ "$(basename "$(readlink "$device/driver")")" = "$1" ]
if [ "$1" = vfio-pci ]; then # the IOMMU is real, not vfio's mode without one
    ls "/dev/vfio/$(basename "$(readlink "$device/iommu_group")")"
else
    echo 4 >/proc/sys/vm/nr_hugepages
fi
echo "$address" >/tmp/address
