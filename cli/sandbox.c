// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/units.h"
#include "formats/dump_files.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PROFILE_IS_FULL false
#else
#define PROFILE_IS_FULL true
#endif

const char *sandbox_profile(void)
{
	return PROFILE_IS_FULL ? "full" : "sanitizer";
}

#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_WRITE                                                                                                   \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE | ACCESS_READ)
/* All rights of Landlock's first version: what is named here and not granted below is denied. */
#define ACCESS_ALL                                                                                                     \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |                   \
	 LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                \
	 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |                    \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |                 \
	 LANDLOCK_ACCESS_FS_MAKE_SYM)

static void allow_path(int ruleset, const char *path, uint64_t access, bool folders_too)
{
	_cleanup_fd_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = { .allowed_access = access, .parent_fd = fd };
	struct stat st;

	/* A path that is not there is refused by whoever opens it, with a better message. */
	if (fd < 0 || fstat(fd, &st) < 0 || (S_ISDIR(st.st_mode) && !folders_too))
		return;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		log_debug("sandbox: %s: %s", path, strerror(errno));
}

/* The dump that is named may be a folder of links: what those lead to is named by that, and nothing beside it. */
static void allow_links_in(int ruleset, const char *folder)
{
	DIR *dir = opendir(folder); /* a file is none, and has no links in it */
	struct dirent *e;
	size_t nr_seen = 0;

	while (dir && nr_seen++ < DUMP_FILES_FOLDER_MAX && (e = readdir(dir))) {
		_cleanup_free_ char *path = NULL;

		if (e->d_name[0] == '.' || (e->d_type != DT_LNK && e->d_type != DT_UNKNOWN))
			continue;
		if (asprintf(&path, "%s/%s", folder, e->d_name) < 0) {
			path = NULL;
			continue;
		}
		allow_path(ruleset, path, ACCESS_READ, false);
	}
	if (dir)
		closedir(dir);
}

static bool restrict_paths(const struct sandbox_rules *rules)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = ACCESS_ALL };
	_cleanup_fd_ int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	_cleanup_free_ char *output = NULL;

	if (ruleset < 0)
		return false;
	/* The leak sanitizer looks at its own process from another one: /proc, and ptrace(2) below. */
	if (!PROFILE_IS_FULL)
		allow_path(ruleset, "/proc", ACCESS_READ, true);
	for (size_t i = 0; i < rules->nr_inputs; i++) {
		allow_path(ruleset, rules->inputs[i], ACCESS_READ, true);
		allow_links_in(ruleset, rules->inputs[i]);
	}
	if (rules->output) {
		output = strdup(rules->output);
		if (output)
			allow_path(ruleset, dirname(output), ACCESS_WRITE, true);
	}
	return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
}

/* Reading, computing, writing, threads of one's own. */
static const int allowed_calls[] = {
	SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(pwrite64), SCMP_SYS(writev),
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(lstat),
	SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(lseek), SCMP_SYS(ioctl),
	SCMP_SYS(fcntl), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(getdents64), SCMP_SYS(readlink),
	SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect),
	SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range),
	SCMP_SYS(fallocate), SCMP_SYS(ftruncate), SCMP_SYS(fadvise64), SCMP_SYS(rename), SCMP_SYS(renameat),
	SCMP_SYS(renameat2), SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(fchmod),
	SCMP_SYS(futex), SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
	SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(exit), SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(tgkill), SCMP_SYS(uname), SCMP_SYS(sysinfo),
	SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(restart_syscall),
};

/* What neither a sanitizer nor a reader of dumps ever needs. */
static const int denied_calls[] = {
	SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork),
	SCMP_SYS(vfork), SCMP_SYS(process_vm_writev), SCMP_SYS(mount), SCMP_SYS(umount2),
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(chroot),
};

static bool add_rules(scmp_filter_ctx ctx, uint32_t action, const int *calls, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		/* A call that this architecture lacks is no failure. */
		if (seccomp_rule_add(ctx, action, calls[i], 0) < 0 && calls[i] >= 0)
			return false;
	return true;
}

static bool restrict_calls(void)
{
	uint32_t deny = SCMP_ACT_ERRNO(EPERM);
	scmp_filter_ctx ctx = seccomp_init(PROFILE_IS_FULL ? deny : SCMP_ACT_ALLOW);
	bool ok = ctx != NULL;

	if (ok && PROFILE_IS_FULL)
		ok = add_rules(ctx, SCMP_ACT_ALLOW, allowed_calls, ARRAY_SIZE(allowed_calls));
	else if (ok)
		ok = add_rules(ctx, deny, denied_calls, ARRAY_SIZE(denied_calls));
	ok = ok && seccomp_load(ctx) == 0;
	if (ctx)
		seccomp_release(ctx);
	return ok;
}

void sandbox_enter(const struct sandbox_rules *rules, struct sandbox_state *state)
{
	*state = (struct sandbox_state){ 0 };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return;
	state->landlock = restrict_paths(rules);
	state->seccomp = restrict_calls();
	log_debug("sandbox: profile %s, landlock %s, seccomp %s", sandbox_profile(), state->landlock ? "on" : "not there",
		  state->seccomp ? "on" : "not there");
}

void sandbox_for_dumps(const char *a, const char *b, const char *output)
{
	const char *const inputs[] = { a, b };
	const struct sandbox_rules rules = { .inputs = inputs, .nr_inputs = b ? 2 : 1, .output = output };
	struct sandbox_state state;

	sandbox_enter(&rules, &state);
}
