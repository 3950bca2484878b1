//! The `flowkeep` program: reads the command line and runs one command.

use std::process::ExitCode;

// glibc's per-thread arenas make a long-lived async daemon grow for days; mimalloc does not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    give_memory_back_at_once();
    flowkeep::cli::run(std::env::args_os())
}

/// Makes the allocator give memory back to the kernel as soon as it is free.
///
/// It waits a second otherwise and looks again at the next allocation: a daemon that goes to sleep after its start, a
/// backup or a storm of events would keep what it needed then.
#[expect(unsafe_code, reason = "the allocator's options have no safe interface")]
fn give_memory_back_at_once() {
    /// `mi_option_purge_delay` of mimalloc's `mimalloc.h`, in milliseconds.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    // SAFETY: it writes a number into the allocator's table of options, which is made for that at any time; no other
    // thread runs yet.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 0) }
}
