//! IO. Parse, load, choose, exit code: all of it in `cli`.

fn main() -> std::process::ExitCode {
    rgc_tui::cli::run(std::env::args_os())
}
