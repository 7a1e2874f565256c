//! Which slot do keys live in, and how are keys pinned to one slot? `cargo run -p slotwright --example slot_of_key`

use slotwright_slots::{Slot, SlotSet, hash_tag, key_slot, tag_for_slot};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for key in ["user:1000", "{user:1000}:orders", "{user:1000}:cart"] {
        println!(
            "{key:<20} slot {:>5}, hashed: {}",
            key_slot(key.as_bytes()),
            String::from_utf8_lossy(hash_tag(key.as_bytes()))
        );
    }
    let owned: SlotSet = "0-5460 5462".parse()?;
    println!("the node with slots {owned} owns user:1000: {}", owned.contains(key_slot(b"user:1000")));
    let slot = Slot::new(5462).ok_or("slots end at 16383")?;
    println!("keys that begin with {{{}}} live in slot {slot}", tag_for_slot(slot));
    Ok(())
}
