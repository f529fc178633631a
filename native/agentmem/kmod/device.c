// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/agentmem: opening makes a client, closing ends it. Knows nothing of what is asked. The
 * module cannot be unloaded while a file is open or a unit is mapped.
 */
#include "inside.h"

#include <linux/cred.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

static ushort mode = 0600;
module_param(mode, ushort, 0444);
MODULE_PARM_DESC(mode, "permissions of /dev/agentmem when it is made (0600; 0666: every user)");

static int open(struct inode *inode, struct file *file)
{
	file->private_data = am_client_new(file->f_cred->euid);
	return file->private_data ? nonseekable_open(inode, file) : -ENOMEM;
}

static int release(struct inode *inode, struct file *file)
{
	am_client_free(file->private_data);
	return 0;
}

static long ioctl(struct file *file, unsigned int command, unsigned long to)
{
	return am_request(file->private_data, command, (void __user *)to);
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = open,
	.release = release,
	.unlocked_ioctl = ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = am_map,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "agentmem",
	.fops = &operations,
};

int am_device_start(void)
{
	device.mode = mode & 0666;
	return misc_register(&device);
}

void am_device_stop(void)
{
	misc_deregister(&device);
}
