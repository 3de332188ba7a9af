// SPDX-License-Identifier: GPL-2.0
/*
 * Timers one at a time, for rust/kernel/signal/timers.rs: capture, create,
 * quiesce, apply.
 *
 * Locking: k_itimer::it_lock is taken before siglock everywhere else. Here
 * siglock is held already, so it_lock is only ever tried. Whoever holds it_lock
 * and waits for siglock is the owner's thread, or a timer that fires; the first
 * do not run while a restore holds siglock, and the others have been stopped
 * when sigcr_timer_apply() waits for it_lock.
 */
#include <linux/alarmtimer.h>
#include <linux/hrtimer.h>
#include <linux/hrtimer_bases.h>
#include <linux/pid.h>
#include <linux/posix-timers.h>
#include <linux/processor.h>
#include <linux/sched/cputime.h>
#include <linux/sched/signal.h>
#include <linux/sigcr.h>
#include <linux/timekeeping.h>
#include <uapi/linux/sigcr.h>

#include "../time/posix-timers.h"

static bool is_cpu_timer(const struct k_itimer *timer)
{
	return !timer->kclock->timer_arm;
}

/* The clock of @timer as its creator may name it, in @ns. */
static clockid_t clock_of(const struct k_itimer *timer,
			  struct pid_namespace *ns)
{
	clockid_t clock = timer->it_clock;
	pid_t nr;

	if (!is_cpu_timer(timer) || CPUCLOCK_PID(clock))
		return clock;
	/* Without a pid it is relative to the thread that created the timer. */
	if (!CPUCLOCK_PERTHREAD(clock))
		return clock;
	nr = pid_nr_ns(timer->it.cpu.pid, ns);
	return make_thread_cpuclock(nr, CPUCLOCK_WHICH(clock));
}

/* True if the signal of @timer waits to be taken, be it queued or ignored. */
static bool is_expired(const struct k_itimer *timer)
{
	return timer->it_signal_seq == timer->it_sigqueue_seq;
}

static u32 state_of(struct k_itimer *timer)
{
	if (!list_empty(&timer->sigq.list) && is_expired(timer))
		return SIGCR_TIMER_PENDING;
	if (!hlist_unhashed(&timer->ignored_list) && is_expired(timer) &&
	    timer->it_interval)
		return SIGCR_TIMER_IGNORED;
	if (is_cpu_timer(timer) && timer->it_sigev_notify == SIGEV_NONE)
		return cpu_timer_getexpires(&timer->it.cpu) ?
		       SIGCR_TIMER_ARMED : 0;
	/* One that waits for its signal which was just taken is as good as armed. */
	return timer->it_status == POSIX_TIMER_DISARMED ? 0 : SIGCR_TIMER_ARMED;
}

/* True if @timer expires at a time of CLOCK_REALTIME, wherever that is set. */
static bool is_absolute(const struct k_itimer *timer)
{
	return timer->it_clock == CLOCK_REALTIME &&
	       timer->it.real.timer.base->clockid == CLOCK_REALTIME;
}

/* timespec64_to_ns() takes all of the last second for KTIME_MAX. */
static u64 to_ns(const struct timespec64 *left)
{
	return left->tv_sec * NSEC_PER_SEC + left->tv_nsec;
}

/**
 * sigcr_timer_capture - Read a timer
 *
 * @timer:	Timer in the list of a process whose siglock is held.
 * @ns:		Pid namespace of that process.
 * @state:	What is found.
 *
 * As timer_gettime(2) does, it moves a periodic timer that has expired on to
 * its next expiry, and counts what was missed.
 *
 * Return: 0, or -EAGAIN if somebody uses the timer: drop siglock, try again.
 */
int sigcr_timer_capture(struct k_itimer *timer, struct pid_namespace *ns,
			struct sigcr_timer *state)
{
	struct itimerspec64 left = {};
	u32 flags;

	if (!spin_trylock(&timer->it_lock))
		return -EAGAIN;
	flags = state_of(timer);
	*state = (struct sigcr_timer) {
		.timer_id = timer->it_id,
		.clock_id = clock_of(timer, ns),
		.notify = timer->it_sigev_notify,
		.signo = timer->sigq.info.si_signo,
		.sigval = (unsigned long)timer->sigq.info.si_value.sival_ptr,
		.flags = flags,
	};
	if (flags) {
		timer->kclock->timer_get(timer, &left);
		state->interval_ns = ktime_to_ns(timer->it_interval);
		/* A single expiry has nothing left. */
		if (flags & SIGCR_TIMER_ARMED || timer->it_interval)
			state->remaining_ns = to_ns(&left.it_value);
	}
	if (flags & SIGCR_TIMER_ARMED && is_absolute(timer)) {
		state->flags |= SIGCR_TIMER_ABSTIME;
		state->expires_ns =
			ktime_to_ns(hrtimer_get_expires(&timer->it.real.timer));
	}
	state->overrun = timer->it_overrun;
	state->overrun_last = timer->it_overrun_last;
	if (timer->it_pid_type == PIDTYPE_PID &&
	    pid_task(timer->it_pid, PIDTYPE_PID))
		state->notify_tid = pid_nr_ns(timer->it_pid, ns);
	spin_unlock(&timer->it_lock);
	return 0;
}

/**
 * sigcr_timer_create - Create a timer of the caller's process, disarmed
 *
 * @state:	What it is to be, all but its times.
 * @t:		Whom it signals: a thread, or any one for the process.
 * @timer:	Set to the timer, with a reference.
 *
 * Mirrors do_timer_create() in kernel/time/posix-timers.c.
 *
 * Context: Process context. May sleep.
 * Return: 0, or -EAGAIN (limit on queued signals, no memory), -EBUSY (the id is
 * taken), -EINVAL (no such clock), -EOPNOTSUPP, -EPERM, -ESRCH (@t is gone).
 */
int sigcr_timer_create(const struct sigcr_timer *state, struct task_struct *t,
		       struct k_itimer **timer)
{
	const struct k_clock *clock = sigcr_clockid_to_kclock(state->clock_id);
	struct k_itimer *new;
	int error;

	if (!clock)
		return -EINVAL;
	if (!clock->timer_create)
		return -EOPNOTSUPP;
	new = sigcr_posix_timer_alloc();
	if (!new)
		return -EAGAIN;
	spin_lock_init(&new->it_lock);
	if (!sigcr_posix_timer_add_at(new, state->timer_id)) {
		posixtimer_free_timer(new);
		return -EBUSY;
	}
	new->it_clock = state->clock_id;
	new->kclock = clock;
	new->it_overrun = -1LL;
	new->it_pid_type = state->notify & SIGEV_THREAD_ID ? PIDTYPE_PID :
							      PIDTYPE_TGID;
	new->it_pid = get_task_pid(t, new->it_pid_type);
	new->it_sigev_notify = state->notify;
	new->sigq.info.si_signo = state->signo;
	new->sigq.info.si_value.sival_ptr = (void __user *)state->sigval;
	new->sigq.info.si_tid = new->it_id;
	new->sigq.info.si_code = SI_TIMER;

	error = new->it_pid ? clock->timer_create(new) : -ESRCH;
	if (error) {
		sigcr_posix_timer_drop(new);
		return error;
	}
	spin_lock_irq(&new->it_lock);
	spin_lock(&current->sighand->siglock);
	WRITE_ONCE(new->it_signal, current->signal);
	hlist_add_head_rcu(&new->list, &current->signal->posix_timers);
	posixtimer_sigqueue_getref(&new->sigq);
	spin_unlock(&current->sighand->siglock);
	spin_unlock_irq(&new->it_lock);
	*timer = new;
	return 0;
}

/**
 * sigcr_timer_quiesce - Stop a timer, but let it remember what it was set to
 *
 * @timer:		Timer whose process's siglock is held, all of whose
 *			threads but the caller are stopped.
 * @was_running:	Set if sigcr_timer_resume() is the way back.
 *
 * Return: 0, -ESRCH if the timer was deleted, or -EAGAIN if it is firing or
 * used: drop siglock, try again.
 */
int sigcr_timer_quiesce(struct k_itimer *timer, bool *was_running)
{
	int ret = 0;

	*was_running = false;
	if (!spin_trylock(&timer->it_lock))
		return -EAGAIN;
	if (!posixtimer_valid(timer))
		ret = -ESRCH;
	else if (!is_cpu_timer(timer))
		ret = timer->kclock->timer_try_to_cancel(timer);
	else if (!list_empty(&timer->it.cpu.elist))
		ret = -EAGAIN;
	else
		ret = cpu_timer_dequeue(&timer->it.cpu);
	spin_unlock(&timer->it_lock);
	*was_running = ret > 0;
	return ret == -1 ? -EAGAIN : min(ret, 0);
}

static void restart_alarm(struct alarm *alarm)
{
	/* One that has expired meanwhile is not taken; a moment later it is. */
	if (!alarm_start_timer(alarm, alarm->node.expires, false))
		alarm_start_timer(alarm, ns_to_ktime(NSEC_PER_MSEC), true);
}

/**
 * sigcr_timer_resume - Let a timer run on
 *
 * @timer:	Timer that sigcr_timer_quiesce() has found running in this hold
 *		of siglock.
 */
void sigcr_timer_resume(struct k_itimer *timer)
{
	/* Nobody waits for siglock with it, see the top of this file. */
	while (!spin_trylock(&timer->it_lock))
		cpu_relax();
	if (is_cpu_timer(timer))
		sigcr_cpu_timer_arm(timer);
	else if (timer->kclock == &alarm_clock)
		restart_alarm(&timer->it.alarm.alarmtimer);
	else
		hrtimer_start_expires(&timer->it.real.timer, HRTIMER_MODE_ABS);
	spin_unlock(&timer->it_lock);
}

/**
 * sigcr_timer_detach - Take the signal of a timer away, wherever it waits
 *
 * @timer:	Quiet timer whose process's siglock is held.
 *
 * Return: true if the caller has to sigcr_timer_put() the reference that the
 * waiting signal held, without siglock.
 */
bool sigcr_timer_detach(struct k_itimer *timer)
{
	if (!list_empty(&timer->sigq.list)) {
		list_del_init(&timer->sigq.list);
		return true;
	}
	if (!hlist_unhashed(&timer->ignored_list)) {
		hlist_del_init(&timer->ignored_list);
		return true;
	}
	return false;
}

/* Sets when @timer expires, and starts it if it is to be armed. */
static bool set_expiry(struct k_itimer *timer, const struct sigcr_timer *state)
{
	bool absolute = state->flags & SIGCR_TIMER_ABSTIME;
	bool armed = state->flags & SIGCR_TIMER_ARMED;
	bool is_silent = timer->it_sigev_notify == SIGEV_NONE;
	u64 time_ns = absolute ? state->expires_ns : state->remaining_ns;
	u64 now;

	if (is_cpu_timer(timer)) {
		if (!sigcr_cpu_timer_now(timer, &now))
			return true;
		cpu_timer_setexpires(&timer->it.cpu, now + time_ns);
		if (armed && !is_silent)
			sigcr_cpu_timer_arm(timer);
		return true;
	}
	return timer->kclock->timer_arm(timer, ns_to_ktime(time_ns), absolute,
					is_silent || !armed);
}

/**
 * sigcr_timer_apply - Set a timer to a state
 *
 * @timer:	Quiet and detached timer of the process with @sig, whose siglock
 *		is held.
 * @state:	The state. With SIGCR_TIMER_PENDING the caller puts
 *		timer->sigq into a queue.
 * @sig:	Signal state of the process.
 *
 * Takes a reference for the signal that waits, if one does.
 *
 * Return: false if the timer has expired already; then sigcr_timer_expire()
 * has to be called without siglock.
 */
bool sigcr_timer_apply(struct k_itimer *timer, const struct sigcr_timer *state,
		       struct signal_struct *sig)
{
	const u32 waits = SIGCR_TIMER_PENDING | SIGCR_TIMER_IGNORED;
	bool periodic = state->interval_ns;
	bool started = true;

	while (!spin_trylock(&timer->it_lock))
		cpu_relax();
	/* Whatever was under way for it is void now. */
	timer->it_signal_seq++;
	timer->it_interval = ns_to_ktime(state->interval_ns);
	timer->it_status = POSIX_TIMER_DISARMED;
	if (is_cpu_timer(timer))
		cpu_timer_setexpires(&timer->it.cpu, 0);
	if (state->flags & SIGCR_TIMER_ARMED || (state->flags & waits && periodic))
		started = set_expiry(timer, state);
	if (state->flags & SIGCR_TIMER_ARMED) {
		/* The CPU timers that signal nobody are never armed. */
		if (!is_cpu_timer(timer) ||
		    timer->it_sigev_notify != SIGEV_NONE)
			timer->it_status = POSIX_TIMER_ARMED;
	} else if (state->flags & waits) {
		if (periodic)
			timer->it_status = POSIX_TIMER_REQUEUE_PENDING;
		timer->it_sigqueue_seq = timer->it_signal_seq;
		timer->it_sig_periodic = periodic;
		posixtimer_sigqueue_getref(&timer->sigq);
		if (state->flags & SIGCR_TIMER_IGNORED)
			hlist_add_head(&timer->ignored_list,
				       &sig->ignored_posix_timers);
	}
	timer->it_overrun = state->overrun;
	timer->it_overrun_last = state->overrun_last;
	spin_unlock(&timer->it_lock);
	return started;
}

/* Lets a timer send its signal that sigcr_timer_apply() has found expired. */
void sigcr_timer_expire(struct k_itimer *timer)
{
	spin_lock_irq(&timer->it_lock);
	if (timer->it_status == POSIX_TIMER_ARMED)
		posix_timer_queue_signal(timer);
	spin_unlock_irq(&timer->it_lock);
}

/* Deletes a timer of the caller's process, if nobody else has done so. */
void sigcr_timer_delete(struct k_itimer *timer)
{
	bool valid;

	spin_lock_irq(&timer->it_lock);
	valid = posixtimer_valid(timer);
	if (valid)
		sigcr_posix_timer_delete(timer);
	spin_unlock_irq(&timer->it_lock);
	if (valid)
		sigcr_posix_timer_drop(timer);
}

/*
 * True if the timer runs by the CPU time of another process than that of @sig,
 * or of a task that is gone. Under RCU.
 */
bool sigcr_timer_is_foreign(struct k_itimer *timer, struct signal_struct *sig)
{
	enum pid_type type;
	struct task_struct *t;

	if (!is_cpu_timer(timer))
		return false;
	type = CPUCLOCK_PERTHREAD(timer->it_clock) ? PIDTYPE_PID : PIDTYPE_TGID;
	t = pid_task(timer->it.cpu.pid, type);
	return !t || t->signal != sig;
}

/* Takes a reference. Under siglock of a process that has the timer. */
void sigcr_timer_get(struct k_itimer *timer)
{
	posixtimer_sigqueue_getref(&timer->sigq);
}

/* Gives a reference back. Not under siglock: the timer may be freed. */
void sigcr_timer_put(struct k_itimer *timer)
{
	posixtimer_putref(timer);
}

/* Lets ITIMER_REAL run on, which was cancelled in this hold of siglock. */
void sigcr_real_itimer_resume(struct signal_struct *sig)
{
	hrtimer_restart(&sig->real_timer);
}

/* What is left of ITIMER_VIRTUAL or ITIMER_PROF, in ns. Under siglock. */
u64 sigcr_cpu_itimer_remaining(struct task_struct *t, unsigned int clock)
{
	u64 expires = t->signal->it[clock].expires;
	u64 samples[CPUCLOCK_MAX];

	if (!expires)
		return 0;
	thread_group_sample_cputime(t, samples);
	/* It is about to fire, at the next tick, where it should have. */
	return expires > samples[clock] ? expires - samples[clock] : 1;
}

/*
 * Sets ITIMER_VIRTUAL or ITIMER_PROF. Under siglock.
 *
 * Mirrors set_cpu_itimer() in kernel/time/itimer.c, but for the tick which
 * that adds: what was left when it was measured had it already.
 */
void sigcr_cpu_itimer_apply(struct task_struct *t, unsigned int clock,
			    u64 remaining_ns, u64 interval_ns)
{
	struct cpu_itimer *it = &t->signal->it[clock];
	u64 old = it->expires;
	u64 new = remaining_ns;

	if (old || new)
		set_process_cpu_timer(t, clock, &new, &old);
	it->expires = new;
	it->incr = interval_ns;
}
