/* SPDX-License-Identifier: GPL-2.0-only */
/* l1_state's KVM_RUN: a timer interrupts it after a random time, and it may be called by two threads in turn. */
#ifndef NESTOR_SELFTESTS_RUNNER_H
#define NESTOR_SELFTESTS_RUNNER_H

#include <asm/prctl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "abi.h"

/* How long it may run, in microseconds. */
#define RUN_MIN		20
#define RUN_MAX		300

static void nothing(int sig)
{
	(void)sig;
}

static timer_t make_timer(void)
{
	struct sigaction act = { .sa_handler = nothing };
	timer_t timer;

	if (sigaction(SIGALRM, &act, NULL) || timer_create(CLOCK_MONOTONIC, NULL, &timer))
		bail("timer");
	return timer;
}

/* The timer's times are @slow times as long. */
static void arm(timer_t timer, unsigned int slow)
{
	struct itimerspec when = {
		.it_value.tv_nsec = 1000l * slow * (RUN_MIN + random() % (RUN_MAX - RUN_MIN)),
	};

	timer_settime(timer, 0, &when, NULL);
}

/* KVM_RUN once, for at most @usec microseconds, whatever comes of it; make_timer() was called. */
static void run_for(int vcpu, long usec)
{
	struct itimerval when = { .it_value.tv_usec = usec };

	setitimer(ITIMER_REAL, &when, NULL);
	ioctl(vcpu, KVM_RUN, 0);
	when.it_value.tv_usec = 0;
	setitimer(ITIMER_REAL, &when, NULL);
}

/* The calling thread is interrupted by the timer, or not. */
static void alarms(bool on)
{
	sigset_t alarm;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(on ? SIG_UNBLOCK : SIG_BLOCK, &alarm, NULL);
}

/**
 * struct runner - a thread that calls KVM_RUN when it is told
 * @go: do it once; @done: it is done
 * @vcpu: file descriptor
 * @ret: 0, or the errno, negative
 * @fs: its FS base, which an exit of the CPU loads from a place that is written when the task's differs
 */
struct runner {
	pthread_t thread;
	sem_t go, done;
	int vcpu, ret;
	unsigned long fs;
};

static unsigned long fs_base(void)
{
	unsigned long base = 0;

	syscall(SYS_arch_prctl, ARCH_GET_FS, &base);
	return base;
}

static void *run_when_told(void *arg)
{
	struct runner *r = arg;

	r->fs = fs_base();
	for (;;) {
		while (sem_wait(&r->go))
			;
		/* Of the threads only the one that runs is to be interrupted. */
		alarms(true);
		r->ret = ioctl(r->vcpu, KVM_RUN, 0) < 0 ? -errno : 0;
		if (fs_base() != r->fs) {
			static const char text[] = "not ok - KVM_RUN came back with another thread's FS base\n";

			if (write(1, text, sizeof(text) - 1) < 0)
				_exit(3);
			_exit(2);
		}
		alarms(false);
		sem_post(&r->done);
	}
	return NULL;
}

/* KVM_RUN by two threads in turn; 0, or the errno, negative. */
static int run_in_turn(int vcpu)
{
	static struct runner runners[2];
	static unsigned int turns;
	struct runner *r = &runners[turns++ % 2];

	if (!r->thread) {
		/* Threads begin with it blocked. */
		alarms(false);
		sem_init(&r->go, 0, 0);
		sem_init(&r->done, 0, 0);
		if (pthread_create(&r->thread, NULL, run_when_told, r))
			bail("thread");
	}
	r->vcpu = vcpu;
	sem_post(&r->go);
	while (sem_wait(&r->done))
		;
	return r->ret;
}

#endif
