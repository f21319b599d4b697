// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
//
// The built-in library: what skeletons import from the DSP image. Every function is a trap into the DSP's operating
// system and a return; the OS knows the function by the address of its trap, and that address by the name exported
// here. A name that is missing here does not exist for skeletons, whatever the OS could do. A function may as well be
// written out in Hexagon code (see README.md); then the OS is not asked.
//
// This is the list of built-in functions: a test of the emulator compares it with what its OS offers.

#include "export.h"

// Strings and blocks of memory
builtin memcpy
builtin memmove
builtin __hexagon_memcpy_likely_aligned_min32bytes_mult8bytes
builtin hexagon_memcpy_forward_vp4cp4n2
builtin memset
builtin bzero
builtin memcmp
builtin memchr
builtin memrchr
builtin memscpy
builtin memsmove
builtin strlen
builtin strnlen
builtin strcpy
builtin stpcpy
builtin strncpy
builtin strlcpy
builtin strcat
builtin strncat
builtin strlcat
builtin strcmp
builtin strcoll
builtin strncmp
builtin strcasecmp
builtin strncasecmp
builtin strchr
builtin strrchr
builtin strstr
builtin strspn
builtin strcspn
builtin strpbrk
builtin strtok
builtin strtok_r
builtin strsep

// More of strings, blocks and character classes
builtin memccpy
builtin mempcpy
builtin memmem
builtin stpncpy
builtin strndup
builtin strchrnul
builtin strcasestr
builtin strxfrm
builtin isblank
builtin isascii
builtin toascii

// Formatted output
builtin printf
builtin vprintf
builtin sprintf
builtin vsprintf
builtin snprintf
builtin vsnprintf
builtin puts
builtin putchar

// Streams
builtin fopen
builtin fdopen
builtin fclose
builtin fread
builtin fwrite
builtin fseek
builtin fseeko
builtin ftell
builtin ftello
builtin rewind
builtin fgetpos
builtin fsetpos
builtin feof
builtin ferror
builtin clearerr
builtin fflush
builtin fgetc
builtin getc
builtin getchar
builtin ungetc
builtin fgets
builtin fputc
builtin putc
builtin fputs
builtin fprintf
builtin vfprintf
builtin fileno
builtin setvbuf
builtin setbuf

// Formatted input
builtin sscanf
builtin vsscanf
builtin fscanf
builtin vfscanf
builtin scanf
builtin vscanf
builtin swscanf
builtin vswscanf
builtin fwscanf
builtin vfwscanf
builtin wscanf
builtin vwscanf

// Descriptors, paths, directories
builtin open
builtin creat
builtin read
builtin write
builtin lseek
builtin close
builtin fsync
builtin ftruncate
builtin isatty
builtin dup
builtin fcntl
builtin access
builtin stat
builtin lstat
builtin fstat
builtin remove
builtin unlink
builtin rename
builtin mkdir
builtin rmdir
builtin opendir
builtin readdir
builtin closedir

// Heap
builtin malloc
builtin __wrap_malloc
builtin calloc
builtin __wrap_calloc
builtin realloc
builtin __wrap_realloc
builtin free
builtin __wrap_free
builtin cfree
builtin memalign
builtin __wrap_memalign
builtin aligned_alloc
builtin posix_memalign
builtin malloc_usable_size
builtin strdup
builtin __wrap_strdup
builtin _Znwj
builtin _Znaj
builtin _ZnwjRKSt9nothrow_t
builtin _ZnajRKSt9nothrow_t
builtin _ZdlPv
builtin _ZdaPv
builtin _ZdlPvj
builtin _ZdaPvj

// Numbers in text
builtin atoi
builtin atol
builtin atoll
builtin atof
builtin strtol
builtin strtoul
builtin _Stoul
builtin strtoll
builtin strtoull
builtin strtod
builtin strtof
builtin abs
builtin labs
builtin rand
builtin srand
builtin llabs
builtin imaxabs
builtin strtoimax
builtin strtoumax
builtin strtold
builtin div
builtin ldiv
builtin rand_r

// Environment, locale
builtin getenv
builtin setenv
builtin unsetenv
builtin sysconf
builtin setlocale

// Calendar
builtin gmtime
builtin localtime
builtin gmtime_r
builtin localtime_r
builtin timegm
builtin mktime
builtin asctime
builtin asctime_r
builtin ctime
builtin ctime_r
builtin strftime
builtin tzset
builtin wcsftime

// Jumps
builtin setjmp
builtin _setjmp
builtin sigsetjmp
builtin __sigsetjmp
builtin longjmp
builtin _longjmp
builtin siglongjmp

// Wide characters
builtin wcslen
builtin wcscpy
builtin wcsncpy
builtin wcscat
builtin wcscmp
builtin wcsncmp
builtin wcschr
builtin wcsrchr
builtin wmemcpy
builtin wmemmove
builtin wmemset
builtin wmemcmp
builtin wmemchr
builtin mbstowcs
builtin wcstombs
builtin mbtowc
builtin mbrtowc
builtin mbrlen
builtin mblen
builtin wctomb
builtin wcrtomb
builtin mbsinit
builtin btowc
builtin wctob
builtin iswalpha
builtin iswalnum
builtin iswdigit
builtin iswxdigit
builtin iswspace
builtin iswupper
builtin iswlower
builtin iswpunct
builtin iswprint
builtin iswcntrl
builtin towlower
builtin towupper

// Numbers and formatted text in wide characters
builtin wcstol
builtin wcstoul
builtin wcstoll
builtin wcstoull
builtin wcstod
builtin wcstold
builtin wcstof
builtin swprintf
builtin vswprintf
builtin wcstoimax
builtin wcstoumax

// Wide characters on streams
builtin fgetwc
builtin getwc
builtin getwchar
builtin ungetwc
builtin fgetws
builtin fputwc
builtin putwc
builtin putwchar
builtin fputws
builtin wprintf
builtin vwprintf
builtin fwprintf
builtin vfwprintf
builtin fwide

// More of wide characters
builtin wcsnlen
builtin wcpcpy
builtin wcpncpy
builtin wcsncat
builtin wmempcpy
builtin wcsdup
builtin wcsspn
builtin wcscspn
builtin wcspbrk
builtin wcsstr
builtin wcstok
builtin wcscoll
builtin wcsxfrm
builtin wcscasecmp
builtin wcsncasecmp
builtin wcwidth
builtin wcswidth
builtin mbsrtowcs
builtin mbsnrtowcs
builtin wcsrtombs
builtin wcsnrtombs
builtin mbrtoc16
builtin c16rtomb
builtin mbrtoc32
builtin c32rtomb
builtin iswgraph
builtin iswblank
builtin wctype
builtin iswctype
builtin wctrans
builtin towctrans

// Numbers of errors
builtin _Geterrno
builtin __errno
builtin __errno_location
builtin strerror
builtin strerror_r
builtin __xpg_strerror_r
builtin perror

// Character classes
builtin isalnum
builtin isalpha
builtin iscntrl
builtin isdigit
builtin isgraph
builtin islower
builtin isprint
builtin ispunct
builtin isspace
builtin isupper
builtin isxdigit
builtin tolower
builtin toupper

// Sorting and searching
builtin qsort
builtin bsearch

// How programs end
builtin abort
builtin exit
builtin _exit
builtin _Exit
builtin atexit
builtin _Assert
builtin __assert_fail
builtin __assert_func
builtin __stack_chk_fail
builtin __register_frame_info_bases
builtin __register_frame_info
builtin __deregister_frame_info_bases
builtin __deregister_frame_info

// C++
builtin __cxa_guard_acquire
builtin __cxa_guard_release
builtin __cxa_guard_abort
builtin __cxa_atexit
builtin __cxa_thread_atexit
builtin __cxa_thread_atexit_impl
builtin __cxa_finalize
builtin __cxa_pure_virtual
builtin __cxa_deleted_virtual
builtin __cxa_bad_cast
builtin __cxa_bad_typeid
builtin __cxa_throw_bad_array_new_length
builtin _ZSt9terminatev
builtin _ZnwjSt11align_val_t
builtin _ZnajSt11align_val_t
builtin _ZnwjSt11align_val_tRKSt9nothrow_t
builtin _ZnajSt11align_val_tRKSt9nothrow_t
builtin _ZdlPvRKSt9nothrow_t
builtin _ZdaPvRKSt9nothrow_t
builtin _ZdlPvSt11align_val_t
builtin _ZdaPvSt11align_val_t
builtin _ZdlPvSt11align_val_tRKSt9nothrow_t
builtin _ZdaPvSt11align_val_tRKSt9nothrow_t
builtin _ZdlPvjSt11align_val_t
builtin _ZdaPvjSt11align_val_t

// Libraries at run time, thread-local storage
builtin dlopen
builtin dlopenbuf
builtin dlsym
builtin dlclose
builtin dlerror
builtin dladdr
builtin dl_iterate_phdr
builtin __tls_get_addr

// Mathematics
builtin acos
builtin acosf
builtin asin
builtin asinf
builtin atan
builtin atanf
builtin cos
builtin cosf
builtin sin
builtin sinf
builtin tan
builtin tanf
builtin acosh
builtin acoshf
builtin asinh
builtin asinhf
builtin atanh
builtin atanhf
builtin cosh
builtin coshf
builtin sinh
builtin sinhf
builtin tanh
builtin tanhf
builtin exp
builtin expf
builtin exp2
builtin exp2f
builtin expm1
builtin expm1f
builtin log
builtin logf
builtin log2
builtin log2f
builtin log10
builtin log10f
builtin log1p
builtin log1pf
builtin sqrt
builtin sqrtf
builtin cbrt
builtin cbrtf
builtin ceil
builtin ceilf
builtin floor
builtin floorf
builtin trunc
builtin truncf
builtin round
builtin roundf
builtin rint
builtin rintf
builtin nearbyint
builtin nearbyintf
builtin fabs
builtin fabsf
builtin _Exp1
builtin _FExp1
builtin atan2
builtin atan2f
builtin pow
builtin powf
builtin fmod
builtin fmodf
builtin hypot
builtin hypotf
builtin fmax
builtin fmaxf
builtin fmin
builtin fminf
builtin copysign
builtin copysignf
builtin fdim
builtin fdimf
builtin ldexp
builtin scalbn
builtin ldexpf
builtin scalbnf
builtin frexp
builtin frexpf
builtin modf
builtin modff
builtin fma
builtin fmaf
builtin lrint
builtin lrintf
builtin lround
builtin lroundf
builtin _Sin
builtin _FSin
builtin _Log
builtin _FLog
builtin _Sinh
builtin _FSinh
builtin _Cosh
builtin _FCosh

// The compiler's run-time library
builtin __hexagon_divsi3
builtin __divsi3
builtin __hexagon_modsi3
builtin __modsi3
builtin __hexagon_udivsi3
builtin __udivsi3
builtin __hexagon_umodsi3
builtin __umodsi3
builtin __hexagon_divdi3
builtin __divdi3
builtin __hexagon_moddi3
builtin __moddi3
builtin __hexagon_udivdi3
builtin __udivdi3
builtin __hexagon_umoddi3
builtin __umoddi3
builtin __hexagon_udivmodsi4
builtin __hexagon_udivmoddi4
builtin __hexagon_adddf3
builtin __adddf3
builtin __hexagon_fast_adddf3
builtin __hexagon_subdf3
builtin __subdf3
builtin __hexagon_fast_subdf3
builtin __hexagon_muldf3
builtin __muldf3
builtin __hexagon_fast_muldf3
builtin __hexagon_divdf3
builtin __divdf3
builtin __hexagon_fast_divdf3
builtin __hexagon_mindf3
builtin __hexagon_maxdf3
builtin __hexagon_fmadf4
builtin __hexagon_fmadf5
builtin __hexagon_sqrtdf2
builtin __hexagon_sqrt
builtin __hexagon_divsf3
builtin __divsf3
builtin __hexagon_fast_divsf3
builtin __hexagon_sqrtf
builtin __hexagon_fast2_sqrtf
builtin __extendhfsf2
builtin __gnu_h2f_ieee
builtin __truncsfhf2
builtin __gnu_f2h_ieee
builtin __truncdfhf2

// The compiler's beginnings and ends of functions
builtin __save_r16_through_r17
builtin __save_r16_through_r19
builtin __save_r16_through_r21
builtin __save_r16_through_r23
builtin __save_r16_through_r25
builtin __save_r16_through_r27
builtin __restore_r16_through_r17_and_deallocframe
builtin __restore_r16_through_r19_and_deallocframe
builtin __restore_r16_through_r21_and_deallocframe
builtin __restore_r16_through_r23_and_deallocframe
builtin __restore_r16_through_r25_and_deallocframe
builtin __restore_r16_through_r27_and_deallocframe
builtin __restore_r16_through_r17_and_deallocframe_before_tailcall
builtin __restore_r16_through_r19_and_deallocframe_before_tailcall
builtin __restore_r16_through_r21_and_deallocframe_before_tailcall
builtin __restore_r16_through_r23_and_deallocframe_before_tailcall
builtin __restore_r16_through_r25_and_deallocframe_before_tailcall
builtin __restore_r16_through_r27_and_deallocframe_before_tailcall

// HAP: messages (FARF)
builtin HAP_debug
builtin HAP_debug_v2
builtin HAP_debug_runtime
builtin HAP_setFARFRuntimeLoggingParams

// HAP: memory, caches
builtin HAP_mmap
builtin HAP_mmap2
builtin HAP_munmap
builtin HAP_munmap2
builtin HAP_mmap_get
builtin HAP_mmap_put
builtin adsp_mmap_fd_getinfo
builtin HAP_mem_get_stats
builtin HAP_mem_set_grow_size
builtin HAP_mem_available_stack
builtin HAP_mem_request
builtin HAP_cache_lock
builtin HAP_cache_unlock
builtin HAP_query_total_cachelock
builtin HAP_query_avail_cachelock
builtin qurt_mem_cache_clean
builtin qurt_mem_cache_clean2
builtin qurt_mem_barrier

// HAP: power
builtin HAP_power_set
builtin HAP_power_get
builtin HAP_power_destroy_client
builtin HAP_power_set_priority
builtin HAP_user_etm_enable
builtin HAP_user_etm_disable

// Time and sleep
builtin HAP_perf_qtimer_count_to_us
builtin HAP_perf_get_time_us
builtin HAP_perf_get_qtimer_count
builtin HAP_perf_get_pcycles
builtin HAP_timer_sleep
builtin qurt_sleep
builtin qurt_timer_sleep
builtin qurt_sysclock_get_hw_ticks
builtin usleep
builtin HAP_get_userpd_params

// HAP: compute resources (VTCM, matrix unit)
builtin compute_resource_attr_init
builtin HAP_compute_res_attr_init
builtin compute_resource_attr_set_serialize
builtin HAP_compute_res_attr_set_serialize
builtin compute_resource_attr_set_vtcm_param
builtin HAP_compute_res_attr_set_vtcm_param
builtin compute_resource_attr_set_vtcm_param_v2
builtin HAP_compute_res_attr_set_vtcm_param_v2
builtin compute_resource_attr_set_release_callback
builtin HAP_compute_res_attr_set_release_callback
builtin compute_resource_attr_set_cache_mode
builtin HAP_compute_res_attr_set_cache_mode
builtin compute_resource_attr_set_hmx_param
builtin HAP_compute_res_attr_set_hmx_param
builtin compute_resource_attr_set_app_type
builtin HAP_compute_res_attr_set_app_type
builtin compute_resource_attr_get_vtcm_ptr
builtin HAP_compute_res_attr_get_vtcm_ptr
builtin compute_resource_attr_get_vtcm_ptr_v2
builtin HAP_compute_res_attr_get_vtcm_ptr_v2
builtin compute_resource_acquire
builtin HAP_compute_res_acquire
builtin compute_resource_release
builtin HAP_compute_res_release
builtin compute_resource_acquire_cached
builtin HAP_compute_res_acquire_cached
builtin compute_resource_release_cached
builtin HAP_compute_res_release_cached
builtin compute_resource_check_release_request
builtin HAP_compute_res_check_release_request
builtin compute_resource_update_priority
builtin HAP_compute_res_update_priority
builtin compute_resource_hmx_lock
builtin HAP_compute_res_hmx_lock
builtin compute_resource_hmx_unlock
builtin HAP_compute_res_hmx_unlock
builtin compute_resource_query_VTCM
builtin HAP_compute_res_query_VTCM

// HAP: VTCM by its address
builtin HAP_request_VTCM
builtin HAP_request_async_VTCM
builtin HAP_release_VTCM
builtin HAP_query_total_VTCM
builtin HAP_query_avail_VTCM

// Packet queues (dspqueue)
builtin dspqueue_import
builtin dspqueue_close
builtin dspqueue_read
builtin dspqueue_read_noblock
builtin dspqueue_peek
builtin dspqueue_peek_noblock
builtin dspqueue_write
builtin dspqueue_write_noblock
builtin dspqueue_write_early_wakeup_noblock
builtin dspqueue_get_stat

// POSIX: threads
builtin pthread_create
builtin pthread_exit
builtin pthread_join
builtin pthread_detach
builtin pthread_self
builtin pthread_equal
builtin pthread_kill
builtin pthread_cancel
builtin pthread_testcancel
builtin pthread_setcancelstate
builtin pthread_setcanceltype
builtin _pthread_cleanup_push
builtin _pthread_cleanup_pop
builtin pthread_atfork
builtin pthread_setname_np
builtin pthread_getname_np
builtin pthread_setschedparam
builtin pthread_getschedparam
builtin pthread_setschedprio
builtin sched_get_priority_max
builtin sched_get_priority_min
builtin sched_yield
builtin pthread_attr_init
builtin pthread_attr_destroy
builtin pthread_attr_setstacksize
builtin pthread_attr_getstacksize
builtin pthread_attr_setstack
builtin pthread_attr_getstack
builtin pthread_attr_setstackaddr
builtin pthread_attr_getstackaddr
builtin pthread_attr_setguardsize
builtin pthread_attr_getguardsize
builtin pthread_attr_setdetachstate
builtin pthread_attr_getdetachstate
builtin pthread_attr_setinheritsched
builtin pthread_attr_getinheritsched
builtin pthread_attr_setschedpolicy
builtin pthread_attr_getschedpolicy
builtin pthread_attr_setschedparam
builtin pthread_attr_getschedparam
builtin pthread_attr_setscope
builtin pthread_attr_getscope
builtin pthread_getattr_np
builtin pthread_key_create
builtin pthread_key_delete
builtin pthread_setspecific
builtin pthread_getspecific

// POSIX: mutexes, condition variables, barriers, once
builtin pthread_mutex_init
builtin pthread_mutex_destroy
builtin pthread_mutex_lock
builtin pthread_mutex_trylock
builtin pthread_mutex_timedlock
builtin pthread_mutex_unlock
builtin pthread_mutex_consistent
builtin pthread_mutexattr_init
builtin pthread_mutexattr_destroy
builtin pthread_mutexattr_settype
builtin pthread_mutexattr_gettype
builtin pthread_mutexattr_setprotocol
builtin pthread_mutexattr_getprotocol
builtin pthread_mutexattr_setrobust
builtin pthread_mutexattr_getrobust
builtin pthread_mutexattr_setpshared
builtin pthread_mutexattr_getpshared
builtin pthread_cond_init
builtin pthread_cond_destroy
builtin pthread_cond_wait
builtin pthread_cond_timedwait
builtin pthread_cond_signal
builtin pthread_cond_broadcast
builtin pthread_condattr_init
builtin pthread_condattr_destroy
builtin pthread_condattr_setclock
builtin pthread_condattr_getclock
builtin pthread_condattr_setpshared
builtin pthread_condattr_getpshared
builtin pthread_spin_init
builtin pthread_spin_destroy
builtin pthread_spin_lock
builtin pthread_spin_trylock
builtin pthread_spin_unlock
builtin pthread_barrier_init
builtin pthread_barrier_destroy
builtin pthread_barrier_wait
builtin pthread_barrierattr_init
builtin pthread_barrierattr_destroy
builtin pthread_once

// POSIX: read-write locks
builtin pthread_rwlock_init
builtin pthread_rwlock_destroy
builtin pthread_rwlock_rdlock
builtin pthread_rwlock_tryrdlock
builtin pthread_rwlock_timedrdlock
builtin pthread_rwlock_wrlock
builtin pthread_rwlock_trywrlock
builtin pthread_rwlock_timedwrlock
builtin pthread_rwlock_unlock
builtin pthread_rwlockattr_init
builtin pthread_rwlockattr_destroy

// POSIX: clocks, sleeps, semaphores
builtin clock_gettime
builtin clock_getres
builtin clock_nanosleep
builtin nanosleep
builtin sleep
builtin gettimeofday
builtin time
builtin clock
builtin difftime
builtin sem_init
builtin sem_destroy
builtin sem_wait
builtin sem_trywait
builtin sem_timedwait
builtin sem_post
builtin sem_getvalue

// QuRT: threads, thread-local values
builtin qurt_thread_create
builtin qurt_thread_exit
builtin qurt_thread_join
builtin qurt_thread_get_id
builtin qurt_thread_get_name
builtin qurt_thread_get_priority
builtin qurt_thread_set_priority
builtin qurt_tls_create_key
builtin qurt_tls_delete_key
builtin qurt_tls_set_specific
builtin qurt_tls_get_specific

// QuRT: mutexes
builtin qurt_mutex_init
builtin qurt_rmutex_init
builtin qurt_pimutex_init
builtin qurt_mutex_destroy
builtin qurt_rmutex_destroy
builtin qurt_pimutex_destroy
builtin qurt_mutex_lock
builtin qurt_rmutex_lock
builtin qurt_pimutex_lock
builtin qurt_mutex_try_lock
builtin qurt_rmutex_try_lock
builtin qurt_pimutex_try_lock
builtin qurt_mutex_unlock
builtin qurt_rmutex_unlock
builtin qurt_pimutex_unlock
builtin qurt_mutex_lock_timed
builtin qurt_rmutex_lock_timed
builtin qurt_pimutex_lock_timed
builtin qurt_rmutex_try_lock_block_once
builtin qurt_rmutex2_init
builtin qurt_rmutex2_destroy
builtin qurt_rmutex2_lock
builtin qurt_rmutex2_try_lock
builtin qurt_rmutex2_unlock
builtin qurt_pimutex2_init
builtin qurt_pimutex2_destroy
builtin qurt_pimutex2_lock
builtin qurt_pimutex2_try_lock
builtin qurt_pimutex2_unlock

// QuRT: barriers
builtin qurt_barrier_init
builtin qurt_barrier_destroy
builtin qurt_barrier_wait

// QuRT: signals
builtin qurt_signal_init
builtin qurt_anysignal_init
builtin qurt_allsignal_init
builtin qurt_signal_destroy
builtin qurt_anysignal_destroy
builtin qurt_allsignal_destroy
builtin qurt_signal_wait
builtin qurt_signal_wait_any
builtin qurt_anysignal_wait
builtin qurt_signal_wait_all
builtin qurt_allsignal_wait
builtin qurt_signal_wait_timed
builtin qurt_anysignal_wait_timed
builtin qurt_signal2_init
builtin qurt_signal2_destroy
builtin qurt_signal2_wait
builtin qurt_signal2_set
builtin qurt_signal2_clear
builtin qurt_signal2_get
builtin qurt_signal_set
builtin qurt_anysignal_set
builtin qurt_allsignal_set
builtin qurt_signal_clear
builtin qurt_anysignal_clear
builtin qurt_signal_get
builtin qurt_anysignal_get
builtin qurt_allsignal_get

// QuRT: semaphores
builtin qurt_sem_init
builtin qurt_sem_init_val
builtin qurt_sem_destroy
builtin qurt_sem_down
builtin qurt_sem_try_down
builtin qurt_sem_down_timed
builtin qurt_sem_up
builtin qurt_sem_add
builtin qurt_sem_get_val

// QuRT: condition variables
builtin qurt_cond_init
builtin qurt_cond_destroy
builtin qurt_cond_wait
builtin qurt_cond_wait2
builtin qurt_cond_signal
builtin qurt_cond_broadcast

// QuRT: futexes
builtin qurt_futex_wait
builtin qurt_futex_wake

// QuRT: timers
builtin qurt_timer_create
builtin qurt_timer_delete
builtin qurt_timer_stop
builtin qurt_timer_restart
builtin qurt_timer_get_attr
builtin qurt_timer_attr_init
builtin qurt_timer_attr_set_duration
builtin qurt_timer_attr_get_duration
builtin qurt_timer_attr_get_remaining
builtin qurt_timer_attr_set_type
builtin qurt_timer_attr_get_type
builtin qurt_timer_attr_set_group
builtin qurt_timer_attr_get_group
builtin qurt_timer_group_enable
builtin qurt_timer_group_disable
builtin __qurt_timer_service

// QuRT: pipes
builtin qurt_pipe_init
builtin qurt_pipe_create
builtin qurt_pipe_destroy
builtin qurt_pipe_delete
builtin qurt_pipe_send
builtin qurt_pipe_try_send
builtin qurt_pipe_receive
builtin qurt_pipe_try_receive
builtin qurt_pipe_is_empty

// QuRT: vector contexts
builtin qurt_hvx_lock
builtin qurt_hvx_try_lock
builtin qurt_hvx_unlock
builtin qurt_hvx_get_mode
builtin qurt_hvx_get_units
builtin qurt_hvx_reserve
builtin qurt_hvx_cancel_reserve

// QuRT: system, counters
builtin qurt_sysenv_get_max_hw_threads
builtin qurt_sysenv_get_arch_version
builtin qurt_sysenv_get_process_name
builtin qurt_getpid
builtin qurt_get_core_pcycles
builtin qurt_sysclock_get_hw_ticks_32
builtin qurt_timer_get_ticks
builtin qurt_pmu_enable
builtin qurt_pmu_set
builtin qurt_pmu_get
