//! `test-aarch64`: the slot crate's tests where its aarch64 kernels run for real, on a processor that QEMU emulates.
//!
//! QEMU runs a single program, system calls included, so pages that must not be read fault there as well. The
//! standard library comes with the active toolchain where that has it, and is [`unpacked`] otherwise. On an aarch64
//! nothing is emulated: the tests run as they are.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::install::{Component, GCC_AARCH64, LIBC_AARCH64, QEMU_AARCH64};
use crate::leftovers::RunFolder;
use crate::no_std::is_library;
use crate::run;
use crate::unpacked;

/// The target of the emulated processor.
pub(crate) const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Where cargo is told to find the linker. Who sets it gets that linker, and none is installed.
const LINKER: &str = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER";

/// Where cargo is told how to run what it has built, likewise.
const RUNNER: &str = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER";

/// The runner unless another one is named. The folder has the C library, as `LIBC_AARCH64` says.
const DEFAULT_RUNNER: &str = "qemu-aarch64 -L /usr/aarch64-linux-gnu";

/// Cases per property, unless `PROPTEST_CASES` says otherwise: a quarter of the usual. Emulation takes about ten times
/// as long, and most properties are of code that is the same on every processor.
const CASES: &str = "64";

/// Says on what it runs. The feature `aes` is both of what its name says and the carry-less multiplication PMULL.
const PROBE: &str = r#"fn main() {
    println!("{} {}", std::env::consts::ARCH, std::arch::is_aarch64_feature_detected!("aes"));
}
"#;

/// What the probe must print: without PMULL the kernel in question would silently be left out.
const PROBE_ANSWER: &str = "aarch64 true";

/// What the system must provide.
pub(crate) fn needed() -> Vec<Component> {
    let set = |name: &str| std::env::var_os(name).is_some();
    components(cfg!(target_arch = "aarch64"), set(LINKER), set(RUNNER))
}

fn components(native: bool, own_linker: bool, own_runner: bool) -> Vec<Component> {
    let mut components = Vec::new();
    if !native && !own_runner {
        components.push(QEMU_AARCH64);
    }
    if !native && !own_linker {
        components.extend([GCC_AARCH64, LIBC_AARCH64]);
    }
    components
}

/// An aarch64 to run tests on.
#[derive(Debug)]
pub(crate) enum Machine {
    /// This one.
    Own,
    /// An emulated one.
    Emulated {
        /// The compiler for it, where the active one lacks the standard library.
        rustc: Option<PathBuf>,
        linker: String,
        runner: String,
    },
}

impl Machine {
    /// Makes sure of a machine for which programs can be built, and which runs them.
    pub(crate) fn prepare() -> Result<Machine, Failure> {
        if cfg!(target_arch = "aarch64") {
            return Ok(Machine::Own);
        }
        let rustc = if has_std(&run::target_libraries(TARGET)?) { None } else { Some(unpacked::rustc()?) };
        let setting = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
        let linker = setting(LINKER, GCC_AARCH64.program);
        let runner = setting(RUNNER, DEFAULT_RUNNER);
        let machine = Machine::Emulated { rustc, linker, runner };
        let folder = RunFolder::new()?;
        let result = machine.probe(folder.path());
        folder.close(result)?;
        Ok(machine)
    }

    /// Whether it is another one than this.
    pub(crate) fn is_emulated(&self) -> bool {
        matches!(self, Machine::Emulated { .. })
    }

    /// Runs the slot crate's tests, to be started by the caller. Documentation is tested on any machine already.
    pub(crate) fn test(&self, args: &[String]) -> Command {
        let mut cargo = run::cargo();
        cargo.args(["test", "--locked", "--package", "slotwright-slots", "--lib", "--tests"]);
        if let Machine::Emulated { rustc, linker, runner } = self {
            eprintln!("slotwright-slots on an emulated aarch64");
            cargo.args(["--target", TARGET]).env(LINKER, linker).env(RUNNER, runner);
            if let Some(rustc) = rustc {
                cargo.env("RUSTC", rustc);
            }
            if std::env::var_os("PROPTEST_CASES").is_none() {
                cargo.env("PROPTEST_CASES", CASES);
            }
        }
        cargo.args(args);
        cargo
    }

    /// Builds and runs a small program.
    fn probe(&self, folder: &Path) -> Result<(), Failure> {
        let Machine::Emulated { rustc, linker, runner } = self else { return Ok(()) };
        let (source, program) = (folder.join("probe.rs"), folder.join("probe"));
        std::fs::write(&source, PROBE)
            .map_err(|error| Failure::said(format!("{}: {error}", source.display())))?;
        let mut command = rustc.as_ref().map_or_else(run::rustc, Command::new);
        command.args(["--edition", "2024", "--target", TARGET]);
        command.arg("-C").arg(format!("linker={linker}")).arg("-o").arg(&program).arg(&source);
        run::run(&mut command).map_err(|failure| {
            Failure::said(format!(
                "no program can be built for aarch64 ({failure}); see above. The linker is {linker}, or what {LINKER} \
                 names"
            ))
        })?;
        let mut words = runner.split_whitespace();
        let mut command = Command::new(words.next().unwrap_or_default());
        let answer = run::output(command.args(words).arg(&program));
        judge(&answer, runner)
    }
}

/// What the probe's answer means.
fn judge(answer: &Result<String, Failure>, runner: &str) -> Result<(), Failure> {
    match answer {
        Ok(answer) if answer.trim_end() == PROBE_ANSWER => Ok(()),
        Ok(answer) if answer.starts_with("aarch64 ") => Err(Failure::said(format!(
            "`{runner}` emulates a processor without PMULL, so the kernel would not be tested; name another in {RUNNER}"
        ))),
        Ok(answer) => Err(Failure::said(format!(
            "a program for aarch64 run by `{runner}` must print '{PROBE_ANSWER}', not '{}'; name another runner in \
             {RUNNER}",
            answer.trim_end()
        ))),
        Err(failure) => Err(Failure::said(format!(
            "no program for aarch64 can be run ({failure}); see above. The runner is what {RUNNER} names, or \
             `{DEFAULT_RUNNER}`"
        ))),
    }
}

/// Whether a folder of a toolchain has the standard library.
fn has_std(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    ["core", "std", "test"]
        .iter()
        .all(|library| names.iter().any(|name| is_library(&name.to_string_lossy(), library)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_names_oneself_is_not_installed() {
        assert_eq!(components(false, false, false), [QEMU_AARCH64, GCC_AARCH64, LIBC_AARCH64]);
        assert_eq!(components(false, true, false), [QEMU_AARCH64]);
        assert_eq!(components(false, false, true), [GCC_AARCH64, LIBC_AARCH64]);
        assert_eq!(components(false, true, true), []);
        assert_eq!(components(true, false, false), []);
    }

    #[test]
    fn a_processor_without_the_instruction_is_refused() {
        judge(&Ok("aarch64 true\n".to_owned()), "q").unwrap();
        let refused = |answer: &str| judge(&Ok(answer.to_owned()), "q").unwrap_err().to_string();
        assert!(refused("aarch64 false\n").contains("`q` emulates a processor without PMULL"));
        assert!(refused("x86_64 true\n").contains("not 'x86_64 true'"));
        let failed = judge(&Err(Failure::said("x")), "q").unwrap_err().to_string();
        assert!(failed.contains("can be run (x)") && failed.contains(RUNNER), "{failed}");
    }

    #[test]
    fn a_toolchain_has_the_standard_library_or_has_not() {
        let native = run::target_libraries(&run::host_target().unwrap()).unwrap();
        assert!(has_std(&native));
        assert!(!has_std(&native.join("none")) && !has_std(Path::new("/etc")));
    }

    #[test]
    fn cargo_is_told_compiler_linker_and_runner() {
        let (linker, runner) = ("l".to_owned(), "r -x".to_owned());
        let machine = Machine::Emulated { rustc: Some("/c/rustc".into()), linker, runner };
        let command = machine.test(&["--".to_owned(), "crc".to_owned()]);
        let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
        assert!(args.ends_with(&["--target".into(), TARGET.into(), "--".into(), "crc".into()]), "{args:?}");
        let value =
            |name: &str| command.get_envs().find(|(key, _)| *key == name).and_then(|(_, value)| value);
        assert_eq!(value("RUSTC").unwrap(), "/c/rustc");
        assert_eq!((value(LINKER).unwrap(), value(RUNNER).unwrap()), ("l".as_ref(), "r -x".as_ref()));
        assert!(!Machine::Own.test(&[]).get_args().any(|arg| arg == "--target"));
    }
}
