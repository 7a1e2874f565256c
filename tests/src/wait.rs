//! Waiting for what a server does in its own time: as short as possible, and never for ever.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

/// Longest wait; on a machine with nothing else to do everything here takes a few seconds at most.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Asks again and again until the answer is `Ok`; fails with the last `Err` when that takes too long.
pub async fn until<T, E: Debug>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, E>) -> T {
    let start = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(last) if start.elapsed() > PATIENCE => panic!("waited too long: {what}; last seen: {last:?}"),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// The same without a runtime.
pub fn until_blocking<T, E: Debug>(what: &str, mut ask: impl FnMut() -> Result<T, E>) -> T {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(last) if start.elapsed() > PATIENCE => panic!("waited too long: {what}; last seen: {last:?}"),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}
