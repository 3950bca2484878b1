//! The `flowkeep` program: reads the command line and runs one command.

use std::process::ExitCode;

// glibc's per-thread arenas make a long-lived async daemon grow for days; mimalloc does not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    flowkeep::cli::run(std::env::args_os())
}
