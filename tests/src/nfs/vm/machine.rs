//! The machine itself: QEMU, and the channel by which a test tells it what to run.
//!
//! The channel is a virtio port on QEMU's standard input and output, apart from the console, so that no message of the
//! kernel gets between. The protocol is described in `init.sh`. The machine ends with its owner: killed when dropped,
//! and switched off by itself when the other end of the channel is gone.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::Duration,
};

use tempfile::TempDir;

use super::root::{Root, kernel};
use crate::{nfs::tools, server::folder};

/// How the machine calls the loopback of the system it runs on.
pub const HOST: &str = "10.0.2.2";

/// Longest time to boot. It takes a few seconds on a machine with nothing else to do.
const BOOT: Duration = Duration::from_secs(120);

/// Time limit of a command unless another is given.
const PATIENCE: Duration = Duration::from_secs(120);

/// How much longer than the command itself its answer may take.
const GRACE: Duration = Duration::from_secs(30);

/// Where QEMU finds what a machine's boards have in memory.
const FIRMWARE: [&str; 2] = ["usr/share/qemu", "usr/share/seabios"];

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit status: 137 when its time was over.
    pub status: i32,
    /// What it printed, errors included.
    pub text: String,
}

/// A machine to be booted.
#[derive(Debug, Clone)]
pub struct Settings {
    name: String,
    forwards: Vec<(u16, u16)>,
    disk: Option<PathBuf>,
}

impl Settings {
    /// A port on this system's loopback that is a port of the machine.
    pub fn forward(mut self, outside: u16, inside: u16) -> Self {
        self.forwards.push((outside, inside));
        self
    }

    /// A disk, `/dev/vda` in the machine.
    pub fn disk(mut self, image: &Path) -> Self {
        self.disk = Some(image.to_owned());
        self
    }

    /// Boots it; waits until it can be told something.
    pub fn boot(self, root: &Root) -> Machine {
        let folder = folder();
        root.write(&folder.path().join("root"), &self.name);
        let mut net = "user,id=net".to_owned();
        for (outside, inside) in &self.forwards {
            net.push_str(&format!(",hostfwd=tcp:127.0.0.1:{outside}-:{inside}"));
        }
        let mut qemu = tools::program("usr/bin/qemu-system-x86_64");
        for firmware in FIRMWARE {
            qemu.arg("-L").arg(tools::file(firmware));
        }
        qemu.args(["-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "1", "-m", "512"])
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
            .arg("-kernel")
            .arg(kernel().0)
            .args(["-initrd", "root", "-append"])
            .arg("console=ttyS0 quiet panic=-1 rdinit=/init mitigations=off")
            .args(["-serial", "file:console"])
            .args(["-netdev", &net, "-device", "virtio-net-pci,netdev=net,romfile="])
            .args(["-chardev", "stdio,id=channel,signal=off", "-device", "virtio-serial-pci"])
            .args(["-device", "virtserialport,chardev=channel,name=channel"]);
        if let Some(disk) = &self.disk {
            let drive = format!("file={},format=raw,if=virtio", disk.display());
            qemu.args(["-drive", &drive]);
        }
        let errors = fs::File::create(folder.path().join("errors")).unwrap();
        let mut child = qemu
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(answer) = read_answer(&mut output) {
                if sender.send(answer).is_err() {
                    return;
                }
            }
        });
        let machine = Machine { name: self.name, folder, child: Some(child), input, answers, last: 0 };
        machine.expect(BOOT, "booting");
        machine
    }
}

/// A machine that runs. Killed when dropped.
#[derive(Debug)]
pub struct Machine {
    name: String,
    folder: TempDir,
    child: Option<Child>,
    input: Option<ChildStdin>,
    answers: Receiver<(u64, Output)>,
    last: u64,
}

impl Machine {
    /// A machine of this name, by which an NFS server tells it from others.
    #[allow(clippy::new_ret_no_self, reason = "settings come first")]
    pub fn new(name: &str) -> Settings {
        Settings { name: name.to_owned(), forwards: Vec::new(), disk: None }
    }

    /// Runs a script in a shell, as root. The shell is killed when it takes too long; what it has started goes on.
    pub fn run(&mut self, script: &str) -> Output {
        self.run_within(PATIENCE, script)
    }

    /// The same with another time limit, in whole seconds.
    pub fn run_within(&mut self, limit: Duration, script: &str) -> Output {
        self.last += 1;
        let request = format!("{} {} {}\n", self.last, limit.as_secs().max(1), base64(script.as_bytes()));
        let input = self.input.as_mut().unwrap_or_else(|| panic!("the machine {} was killed", self.name));
        if let Err(error) = input.write_all(request.as_bytes()) {
            panic!("the machine {} is gone ({error}){}", self.name, self.last_words());
        }
        let (number, output) = self.expect(limit + GRACE, script);
        assert_eq!(number, self.last, "an answer to something else");
        output
    }

    /// Runs a script that must succeed; returns what it printed.
    pub fn ok(&mut self, script: &str) -> String {
        let output = self.run(script);
        assert_eq!(output.status, 0, "in the machine {}: {script}\n{}", self.name, output.text);
        output.text
    }

    /// Runs a script that must succeed as another user.
    pub fn ok_as(&mut self, user: &str, script: &str) -> String {
        let script = as_user(user, script);
        self.ok(&script)
    }

    /// Runs a script that may fail, as another user.
    pub fn run_as(&mut self, user: &str, script: &str) -> Output {
        let script = as_user(user, script);
        self.run(&script)
    }

    /// Pulls the plug: what the machine holds of others' it does not give back.
    pub fn kill(&mut self) {
        self.input = None;
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn expect(&self, limit: Duration, what: &str) -> (u64, Output) {
        match self.answers.recv_timeout(limit) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                panic!("the machine {} does not answer: {what}{}", self.name, self.last_words())
            }
            Err(RecvTimeoutError::Disconnected) => {
                panic!("the machine {} has ended: {what}{}", self.name, self.last_words())
            }
        }
    }

    /// What QEMU and the kernel said last.
    fn last_words(&self) -> String {
        let mut words = String::new();
        for name in ["errors", "console"] {
            let bytes = fs::read(self.folder.path().join(name)).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            for line in &lines[lines.len().saturating_sub(30)..] {
                words.push_str("\n  ");
                words.push_str(line);
            }
        }
        words
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The script as another user runs it.
pub(crate) fn as_user(user: &str, script: &str) -> String {
    format!("su -s /bin/sh {user} -c '{}'", script.replace('\'', r"'\''"))
}

/// The first line says that the machine is ready; it counts as an answer to nothing.
fn read_answer(output: &mut impl BufRead) -> Option<(u64, Output)> {
    let mut line = String::new();
    output.read_line(&mut line).ok().filter(|read| *read > 0)?;
    if line.trim() == "ready" {
        return Some((0, Output { status: 0, text: String::new() }));
    }
    let mut fields = line.split_whitespace();
    let number = fields.next()?.parse().ok()?;
    let status = fields.next()?.parse().ok()?;
    let mut bytes = vec![0; fields.next()?.parse().ok()?];
    output.read_exact(&mut bytes).ok()?;
    Some((number, Output { status, text: String::from_utf8_lossy(&bytes).into_owned() }))
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place <= chunk.len() {
                let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
                text.push(char::from(letter));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_whatever_is_in_them() {
        let mut input = &b"ready\n1 0 6\na\n1 0 2 137 0\nnonsense\n"[..];
        let output = |status, text: &str| Output { status, text: text.to_owned() };
        assert_eq!(read_answer(&mut input), Some((0, output(0, ""))));
        assert_eq!(read_answer(&mut input), Some((1, output(0, "a\n1 0 "))));
        assert_eq!(read_answer(&mut input), Some((2, output(137, ""))));
        assert_eq!(read_answer(&mut input), None, "nonsense ends the conversation");
    }

    #[test]
    fn scripts_are_written_as_the_rfc_says() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("\u{ff}~", "w79+"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_script_of_another_user_keeps_its_quotes() {
        assert_eq!(as_user("redis", "echo 'a'"), r"su -s /bin/sh redis -c 'echo '\''a'\'''");
    }
}
