/* The switch between the loop and a fiber, and the stacks fibers run on. This is the one file that
   knows about contexts, stack memory and sanitizers.

   A stack is started by makecontext. After that the switch is _setjmp and _longjmp (10 ns), because
   swapcontext asks the kernel for the signal mask each time (220 ns) and no fiber has a mask of its
   own. Where they cannot cross stacks, swapcontext does it: under sanitizers, which follow
   _longjmp only within one stack, and under hardware shadow stacks, which it cannot change. */

/* The fortified longjmp takes every jump to another stack for an attack. */
#undef _FORTIFY_SOURCE

#include "task/fiber.h"

#include "base/memory.h"

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#elif __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define UNDER_ASAN 1
#endif
#ifdef __SANITIZE_THREAD__
#define UNDER_TSAN 1
#endif
#ifdef UNDER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#define STACK_TIMES 4 /* red zones need room */
#else
#define STACK_TIMES 1
#endif
#ifdef UNDER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* Below the frame of fiber_suspend: its own locals, those of the calls that leave the stack, and
   the red zone of the machine's calling convention. */
#define BELOW_FRAME 512

struct fiber {
	char *stack; /* lowest usable byte; the guard page lies below */
	size_t size;
	const char *low; /* nothing below this is in use while suspended */
	void (*body)(void *);
	void *arg;
	bool started;
	jmp_buf inside;
	ucontext_t *context; /* instead of `inside` where _longjmp cannot cross stacks */
#ifdef UNDER_ASAN
	void *fake_stack;
#endif
#ifdef UNDER_TSAN
	void *tsan;
#endif
};

/* The loop's side of the switch. One loop per process, so one of each. */
static jmp_buf outside;
static ucontext_t outside_context;
static fiber *entering;
#ifdef UNDER_ASAN
static void *outside_fake;
static const void *outside_stack;
static size_t outside_size;
#endif
#ifdef UNDER_TSAN
static void *outside_tsan;
#endif

static bool needs_contexts(void)
{
#if defined UNDER_ASAN || defined UNDER_TSAN
	return true;
#elif defined __x86_64__
	uintptr_t shadow = 0;
	__asm__ volatile("rdsspq %0" : "+r"(shadow)); /* does nothing when there is none */
	return shadow != 0;
#else
	return false;
#endif
}

/* ---- what sanitizers are told */

static void told_leaving_for(fiber *f)
{
	(void)f;
#ifdef UNDER_ASAN
	__sanitizer_start_switch_fiber(&outside_fake, f->stack, f->size);
#endif
#ifdef UNDER_TSAN
	outside_tsan = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(f->tsan, 0);
#endif
}

static void told_back_outside(void)
{
#ifdef UNDER_ASAN
	__sanitizer_finish_switch_fiber(outside_fake, NULL, NULL);
#endif
}

static void told_leaving(fiber *f)
{
	(void)f;
#ifdef UNDER_ASAN
	__sanitizer_start_switch_fiber(&f->fake_stack, outside_stack, outside_size);
#endif
#ifdef UNDER_TSAN
	__tsan_switch_to_fiber(outside_tsan, 0);
#endif
}

static void told_back_inside(fiber *f)
{
	(void)f;
#ifdef UNDER_ASAN
	__sanitizer_finish_switch_fiber(f->fake_stack, &outside_stack, &outside_size);
#endif
}

static void told_opened(fiber *f)
{
	(void)f;
#ifdef UNDER_ASAN
	__lsan_register_root_region(f->stack, f->size);
#endif
#ifdef UNDER_TSAN
	f->tsan = __tsan_create_fiber(0);
#endif
}

static void told_closing(fiber *f)
{
	(void)f;
#ifdef UNDER_ASAN
	__lsan_unregister_root_region(f->stack, f->size);
	__asan_unpoison_memory_region(f->stack, f->size);
#endif
#ifdef UNDER_TSAN
	__tsan_destroy_fiber(f->tsan);
#endif
}

/* ---- stacks */

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

fiber *fiber_open(size_t stack, void (*body)(void *arg), void *arg)
{
	size_t page = page_size();
	size_t size = (stack * STACK_TIMES + page - 1) / page * page;
	char *map = mmap(NULL, page + size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	if (mprotect(map, page, PROT_NONE) != 0) {
		munmap(map, page + size);
		return NULL;
	}
	fiber *f = memory_new(sizeof *f);
	f->stack = map + page;
	f->size = size;
	f->low = f->stack + size;
	f->body = body;
	f->arg = arg;
	if (needs_contexts())
		f->context = memory_new(sizeof *f->context);
	told_opened(f);
	return f;
}

void fiber_close(fiber **f)
{
	if (*f == NULL)
		return;
	told_closing(*f);
	size_t page = page_size();
	munmap((*f)->stack - page, page + (*f)->size);
	memory_free((*f)->context);
	memory_free(*f);
	*f = NULL;
}

void fiber_give_back(const fiber *f)
{
	size_t unused = (size_t)(f->low - f->stack) / page_size() * page_size();
	if (f->low > f->stack && unused > 0)
		madvise(f->stack, unused, MADV_DONTNEED);
}

/* ---- the switch */

static void first_frame(void)
{
	fiber *f = entering;
	told_back_inside(f);
	f->body(f->arg);
	abort();
}

static void prepare(fiber *f, ucontext_t *context)
{
	getcontext(context);
	context->uc_stack.ss_sp = f->stack;
	context->uc_stack.ss_size = f->size;
	context->uc_link = NULL;
	makecontext(context, first_frame, 0);
#ifdef UNDER_ASAN
	/* At every switch swapcontext would clear what ASan knows of the stack named here. */
	context->uc_stack.ss_sp = NULL;
	context->uc_stack.ss_size = 0;
#endif
	f->started = true;
	entering = f;
}

static _Noreturn void enter(fiber *f)
{
	ucontext_t start;
	prepare(f, &start);
	setcontext(&start);
	abort();
}

/* The signal mask is the thread's, whichever fiber changed it; contexts would bring back theirs. */
static void swap(ucontext_t *from, ucontext_t *to)
{
	pthread_sigmask(SIG_BLOCK, NULL, &to->uc_sigmask);
	swapcontext(from, to);
}

void fiber_resume(fiber *f)
{
	told_leaving_for(f);
	if (f->context) {
		if (!f->started)
			prepare(f, f->context);
		swap(&outside_context, f->context);
	} else if (_setjmp(outside) == 0) {
		if (!f->started)
			enter(f);
		_longjmp(f->inside, 1);
	}
	told_back_outside();
}

void fiber_suspend(fiber *f)
{
	f->low = (const char *)__builtin_frame_address(0) - BELOW_FRAME;
	told_leaving(f);
	if (f->context)
		swap(f->context, &outside_context);
	else if (_setjmp(f->inside) == 0)
		_longjmp(outside, 1);
	told_back_inside(f);
}
