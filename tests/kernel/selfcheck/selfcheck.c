// SPDX-License-Identifier: GPL-2.0
/*
 * A module that goes wrong when told to, so that the harness of the kernel's tests can be seen to notice it.
 * Licensed under GPL-2.0, as the kernel asks of its modules.
 *
 * Write a word to /proc/nexus_selfcheck: "warn", "oops" or "panic"; anything else is EINVAL.
 * It knows nothing of agent memory. Invariant: unless told to, it does nothing wrong.
 */
#include <linux/bug.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

static ssize_t selfcheck_write(struct file *file, const char __user *from,
			       size_t count, loff_t *position)
{
	char word[16] = {};

	if (count == 0 || count >= sizeof(word))
		return -EINVAL;
	if (copy_from_user(word, from, count))
		return -EFAULT;
	strim(word);
	if (!strcmp(word, "warn"))
		WARN(1, "selfcheck was told to warn\n");
	else if (!strcmp(word, "oops"))
		WRITE_ONCE(*(int *)NULL, 1);
	else if (!strcmp(word, "panic"))
		panic("selfcheck was told to panic\n");
	else
		return -EINVAL;
	return count;
}

static const struct proc_ops selfcheck_ops = {
	.proc_write	= selfcheck_write,
};

static int __init selfcheck_init(void)
{
	return proc_create("nexus_selfcheck", 0200, NULL, &selfcheck_ops) ? 0 : -ENOMEM;
}

static void __exit selfcheck_exit(void)
{
	remove_proc_entry("nexus_selfcheck", NULL);
}

module_init(selfcheck_init);
module_exit(selfcheck_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("goes wrong when told to: the self-check of a test harness");
