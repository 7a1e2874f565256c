//! trial
use slotwright_tests::nfs::vm::{Machine, Root};
#[test]
fn boots() {
    let start = std::time::Instant::now();
    let mut root = Root::client();
    root.program("redis-server");
    root.program("redis-cli");
    let mut machine = Machine::new("client").boot(&root);
    eprintln!("booted {:?}", start.elapsed());
    eprintln!("{}", machine.ok("uname -a; id; mount; lsmod; free; ip a; redis-server --version"));
    eprintln!("{}", machine.ok_as("redis", "id"));
    eprintln!("{:?}", machine.run_within(std::time::Duration::from_secs(2), "sleep 20"));
    eprintln!("{:?}", machine.run("exit 7"));
    eprintln!("{:?}", start.elapsed());
}
