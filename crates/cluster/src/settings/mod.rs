//! Typed `redis.conf`: the settings of one node.
//!
//! | item | what it is |
//! |---|---|
//! | [`Settings`] | the directives of one node, in order; parsed from and rendered to `redis.conf` |
//! | [`Setting`] | what is known of one directive: its kind, whether it can change while the server runs, who sets it |
//! | [`canonical`], [`same_value`] | values as `CONFIG GET` prints them, to compare a wanted value with the running one |
//! | [`validate_user`] | what a specification may not say |
//! | [`lints`] | combinations that work but hurt |
//!
//! Passwords are never in `Debug`, `Display` or errors; only [`Settings::render`] and [`Settings::get`] give them.
//! Sources: `redis.conf` and `CONFIG GET` of Redis 7.0 and later and of Valkey 8 and later. Reading and writing
//! files and speaking to servers is left to others.

mod error;
mod kind;
mod lint;
mod list;
mod split;
mod table;
mod value;

pub use error::SettingError;
pub use kind::{Kind, Unit};
pub use lint::{SettingLint, lints};
pub use list::{Settings, validate_user};
pub use table::{Owner, Setting, all, nearest};
pub use value::{canonical, same_value};
