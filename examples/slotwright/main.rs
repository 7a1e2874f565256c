//! `slotwright`: deploys a Redis or Valkey cluster from a spec file and looks after it.
//!
//! Thin on purpose: arguments in, `slotwright-deploy` called, the result shown. What the words mean stands in `cli`, what
//! each of them does in `commands`, `exports` and `manifests`, how things look in `render`.

mod cli;
mod commands;
mod exit;
mod exports;
mod lint;
mod manifests;
mod progress;
mod render;
mod screen;
mod tls;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    start_log(cli.global.verbose);
    let screen = screen::Screen::detect(&cli.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            screen.error(&format!("cannot start the runtime: {error}"));
            return exit::Exit::Failed.into();
        }
    };
    runtime.block_on(commands::run(cli, &screen)).into()
}

/// What may hold passwords and keys in clear: the bytes of forwarded connections, the bodies of answers.
const SECRET: [&str; 3] = ["tungstenite=error", "tokio_tungstenite=error", "kube_client=error"];

/// `-v` shows what this project does, `-vv` everything but what is secret; `RUST_LOG` overrides both, with the same
/// exception.
fn start_log(verbose: u8) {
    let default = match verbose {
        0 => "error",
        1 => {
            "slotwright_deploy=debug,slotwright_client=debug,slotwright_topology=debug,slotwright_nfs=debug,\
             slotwright_kube=debug"
        }
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let filter =
        SECRET.iter().filter_map(|directive| directive.parse().ok()).fold(filter, EnvFilter::add_directive);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
