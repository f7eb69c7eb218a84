//! Figures of the process, as Linux tells them. Elsewhere there are none.

use std::fs;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Ticks of a second in `/proc`: the same for all Linux programs.
const TICKS: f64 = 100.0;

static STARTED: LazyLock<f64> =
    LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64()));

/// Notes when the process began.
pub fn begin() {
    LazyLock::force(&STARTED);
}

/// Returns the process's figures as Prometheus reads them.
pub fn exposition() -> String {
    let mut out = format!(
        "# HELP process_start_time_seconds When the server began, in seconds since 1970.\n\
         # TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {}\n",
        *STARTED
    );
    if let Some(bytes) = resident() {
        out += &format!(
            "# HELP process_resident_memory_bytes Memory in use.\n# TYPE process_resident_memory_bytes gauge\n\
             process_resident_memory_bytes {bytes}\n"
        );
    }
    if let Some(seconds) = cpu_seconds() {
        out += &format!(
            "# HELP process_cpu_seconds_total Time of processors.\n# TYPE process_cpu_seconds_total counter\n\
             process_cpu_seconds_total {seconds}\n"
        );
    }
    out
}

/// Returns the bytes of memory in use.
pub fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, in brackets, may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}
