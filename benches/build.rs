//! Hands the name of the compiler and its flags to the report, which prints them beside the figures.

use std::process::Command;

fn main() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("-V").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let of_env = |name| std::env::var(name).unwrap_or_default();
    // Cargo separates the flags with 0x1f.
    let flags = of_env("CARGO_ENCODED_RUSTFLAGS").replace('\u{1f}', " ");
    println!("cargo:rustc-env=MEASURED_RUSTC={}", version.unwrap_or_default());
    println!("cargo:rustc-env=MEASURED_TARGET={}", of_env("TARGET"));
    println!("cargo:rustc-env=MEASURED_FLAGS={flags}");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RUSTC");
}
