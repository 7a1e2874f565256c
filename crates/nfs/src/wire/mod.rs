//! stand-in
#![allow(missing_docs, unused)]
use crate::Finding;
use serde::Serialize;
use std::time::Duration;
pub enum Version {
    V3,
    V4_1,
}
pub struct Target {
    pub host: String,
    pub port: u16,
    pub mount_port: Option<u16>,
    pub version: Version,
    pub path: String,
    pub uid: u32,
    pub gid: u32,
    pub privileged_port: bool,
}
#[derive(Default)]
pub struct Preflight {
    pub appends: usize,
    pub limit: Duration,
    pub call_limit: Duration,
    pub read: Vec<String>,
}
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub steps: Vec<Step>,
    pub latency: Option<Latency>,
    pub findings: Vec<Finding>,
    pub found: Vec<FoundFile>,
}
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    pub name: String,
    pub state: StepState,
}
#[derive(Debug, Clone, Serialize)]
pub enum StepState {
    Done,
    Failed { why: String },
    Skipped { why: String },
}
#[derive(Debug, Clone, Serialize)]
pub struct Latency {
    pub p50: Duration,
    pub p95: Duration,
    pub p99: Duration,
    pub max: Duration,
    pub count: usize,
}
#[derive(Debug, Clone, Serialize)]
pub struct FoundFile {
    pub name: String,
    pub size: u64,
    pub bytes: Vec<u8>,
    pub owner: u32,
    pub mode: u32,
}
pub async fn verify(t: &Target, p: &Preflight) -> Report {
    Report { steps: vec![], latency: None, findings: vec![], found: vec![] }
}
