// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How the capture kernel ends. Returning from PID 1 would be a panic, so nothing here returns.
 */
#include "initramfs/reboot.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <time.h>
#include <unistd.h>

#include "common/units.h"

#define SYSRQ_PATH "/proc/sysrq-trigger"
#define SIGNAL_STACK_BYTES 32768
/* A full buffer of a serial line takes 5 s at 9600 baud; a line that nobody takes from is given up sooner. */
#define CONSOLE_DRAIN_SECONDS 10.0
#define CONSOLE_STUCK_SECONDS 2.0
#define CONSOLE_POLL_NS 50000000L
/* Behind the buffer that the kernel tells of lies the chip's own, of up to 64 bytes. */
#define CONSOLE_CHIP_NS 100000000L

/*
 * What a signal handler needs must lie in static storage. Written by reboot_prepare() before the handlers are installed
 * and before any second thread runs; read-only from then on, but for @action, one aligned word.
 */
static struct {
	int sysrq_fd;
	volatile sig_atomic_t action;
	bool prepared;
	_Alignas(16) char signal_stack[SIGNAL_STACK_BYTES];
} ending = { .sysrq_fd = -1 };

static void say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return; /* the console is gone; the machine must still end */
}

static void nap(unsigned seconds)
{
	struct timespec ts = { .tv_sec = seconds };

	nanosleep(&ts, NULL);
}

/*
 * What was written to a serial console is still on its way when write() returns, and the end of a log that was printed
 * for want of a target would die with the machine. tcdrain() would wait for ever on a line that is stuck.
 */
static void drain_console(void)
{
	static const struct timespec poll = { .tv_nsec = CONSOLE_POLL_NS }, chip = { .tv_nsec = CONSOLE_CHIP_NS };
	double began = units_now(), moved = began;
	int left, last = -1;

	while (ioctl(STDERR_FILENO, TIOCOUTQ, &left) == 0 && left > 0) {
		double now = units_now();

		if (left != last)
			moved = now;
		if (now - began > CONSOLE_DRAIN_SECONDS || now - moved > CONSOLE_STUCK_SECONDS)
			return;
		last = left;
		nanosleep(&poll, NULL);
	}
	nanosleep(&chip, NULL);
}

static void sysrq(char key)
{
	if (ending.sysrq_fd >= 0 && write(ending.sysrq_fd, &key, 1) < 0)
		return; /* the next rung follows */
}

static int reboot_command(enum final_action action)
{
	switch (action) {
	case FINAL_POWEROFF:
		return RB_POWER_OFF;
	case FINAL_HALT:
		return RB_HALT_SYSTEM;
	case FINAL_REBOOT:
		break;
	}
	return RB_AUTOBOOT;
}

void reboot_hard(void)
{
	enum final_action action = (enum final_action)ending.action;

	/* s and u only start work in the kernel: they come back at once even where a disk hangs. */
	sysrq('s');
	nap(3);
	sysrq('u');
	nap(2);
	if (action == FINAL_POWEROFF) {
		sysrq('o');
		nap(10);
	}
	if (action == FINAL_HALT)
		reboot(RB_HALT_SYSTEM);
	sysrq('b');
	nap(5);
	reboot(RB_AUTOBOOT);
	nap(5);
	say("innercore: error: the machine does not restart; panicking\n");
	sysrq('c');
	for (;;)
		nap(3600);
}

void reboot_orderly(enum final_action action)
{
	say(action == FINAL_REBOOT     ? "innercore: rebooting\n"
	    : action == FINAL_POWEROFF ? "innercore: powering off\n"
				       : "innercore: halting\n");
	sync();
	drain_console();
	reboot(reboot_command(action));
	/* Still here: the kernel refused (no poweroff method, for one). */
	if (action == FINAL_HALT)
		for (;;)
			nap(3600);
	reboot_hard();
}

/*
 * From here on only calls that signal-safety(7) lists. The process is beyond repair; what was saved was synced file by
 * file as it came.
 */
static void on_fault(int sig)
{
	static const struct {
		int sig;
		const char *text;
	} known[] = {
		{ SIGSEGV, "innercore: error: PID 1 met SIGSEGV; ending\n" },
		{ SIGBUS, "innercore: error: PID 1 met SIGBUS; ending\n" },
		{ SIGABRT, "innercore: error: PID 1 met SIGABRT; ending\n" },
		{ SIGILL, "innercore: error: PID 1 met SIGILL; ending\n" },
		{ SIGFPE, "innercore: error: PID 1 met SIGFPE; ending\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].sig == sig)
			say(known[i].text);
	reboot_hard();
}

static void catch_faults(void)
{
	stack_t stack = { .ss_sp = ending.signal_stack, .ss_size = sizeof(ending.signal_stack) };
	struct sigaction sa = { .sa_handler = on_fault, .sa_flags = SA_ONSTACK | (int)SA_RESETHAND };
	static const int faults[] = { SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE };

	sigaltstack(&stack, NULL);
	sigfillset(&sa.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sigaction(faults[i], &sa, NULL);
}

void reboot_prepare(enum final_action action)
{
	ending.action = (sig_atomic_t)action;
	if (ending.prepared)
		return;
	ending.sysrq_fd = open(SYSRQ_PATH, O_WRONLY | O_CLOEXEC);
	ending.prepared = true;
	catch_faults();
}
