//! How much memory this process may use.
//!
//! It is what the system has available, or what is left of the limits of its control groups and of its own (`ulimit`).

use super::neighbors;
use crate::error::refusal;
use anyhow::Result;
use std::fs;
use tagsmith_kernel::Device;
use tagsmith_message::Remedy;
use tagsmith_ranks::World;
use tagsmith_train::memory::{Memory, size};

/// Where control groups of version 2 and of version 1 keep their numbers.
const GROUPS: [Group; 2] = [
    Group {
        controller: "",
        folder: "/sys/fs/cgroup",
        limit: "memory.max",
        used: "memory.current",
        reclaimable: "inactive_file",
    },
    Group {
        controller: "memory",
        folder: "/sys/fs/cgroup/memory",
        limit: "memory.limit_in_bytes",
        used: "memory.usage_in_bytes",
        reclaimable: "total_inactive_file",
    },
];

struct Group {
    controller: &'static str,
    folder: &'static str,
    limit: &'static str,
    used: &'static str,
    /// In `memory.stat`: cached files, which are given up first.
    reclaimable: &'static str,
}

/// Limits of a process, by their names where the system lists them.
const LIMITS: [Limit; 2] = [
    Limit { name: "Max address space", option: "-v", used: "VmSize:", least: 192 << 20 },
    Limit { name: "Max data size", option: "-d", used: "VmData:", least: 48 << 20 },
];

/// Bytes of such a limit that a run's count leaves free: stacks of threads reserve addresses that they do not fill.
const RESERVED: u64 = 32 << 20;

/// The smallest stack on which a command runs.
const STACK_LEAST: u64 = 512 << 10;

struct Limit {
    name: &'static str,
    /// The option of `ulimit` that sets it.
    option: &'static str,
    /// The entry of a process's status that it bounds.
    used: &'static str,
    /// What has to be left of it when a command begins.
    least: u64,
}

impl Limit {
    fn left(&self, read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
        let limit = field(&read("/proc/self/limits")?, self.name)?;
        Some(limit.saturating_sub(kilobytes(&read("/proc/self/status")?, self.used)?))
    }
}

/// Returns the memories that a run on this device takes a part of. Ranks on one machine have equal shares of its memory,
/// and ranks on one GPU of the GPU's. All ranks call this, before they put anything on the device.
///
/// # Errors
/// What the device's driver says.
pub fn of_run(world: &World, device: &Device) -> Result<Vec<Memory>> {
    let allowed = allowed().map(|bytes| bytes / neighbors::count(world) as u64);
    let mine = (neighbors::gpu(device), device.free_memory()?);
    let gpus = world.gather(&serde_json::to_vec(&mine)?);
    let gpus = gpus.iter().map(|bytes| serde_json::from_slice(bytes)).collect::<Result<Vec<_>, _>>()?;
    Ok(Memory::of_run(allowed, share(&mine, &gpus)))
}

/// A GPU by its name ([`neighbors::gpu`]), and the bytes that are free there.
type Free = (Option<String>, Option<u64>);

/// Returns a rank's share of its GPU. Of several ranks on a GPU, the last to look saw what all of them had taken.
fn share(mine: &Free, gpus: &[Free]) -> Option<u64> {
    let (gpu, free) = mine;
    let here: Vec<u64> =
        gpus.iter().filter(|(other, _)| gpu.is_some() && other == gpu).filter_map(|(_, free)| *free).collect();
    here.iter().min().map(|least| least / here.len() as u64).or(*free)
}

/// Refuses limits under which no command can do its work: an allocation that the system refuses would end it without a
/// word.
///
/// # Errors
/// A limit is too low.
pub fn check_limits() -> Result<()> {
    check(&|path| fs::read_to_string(path).ok())
}

fn check(read: &dyn Fn(&str) -> Option<String>) -> Result<()> {
    let refuse = |option: &str, left: u64, least: u64| {
        let message = format!("`ulimit {option}` leaves {}, and this program needs {}", size(left), size(least));
        Err(refusal(message, Remedy::to_do(format!("raise the limit (`ulimit {option}` counts in kilobytes)"))))
    };
    for limit in &LIMITS {
        if let Some(left) = limit.left(read).filter(|&left| left < limit.least) {
            return refuse(limit.option, left, limit.least);
        }
    }
    let stack = read("/proc/self/limits").and_then(|limits| field(&limits, "Max stack size"));
    match stack.filter(|&stack| stack < STACK_LEAST) {
        Some(stack) => refuse("-s", stack, STACK_LEAST),
        None => Ok(()),
    }
}

/// Bytes that this process may hold in all, those it holds already among them; none where the system does not say.
pub fn allowed() -> Option<u64> {
    allowed_by(&|path| fs::read_to_string(path).ok())
}

fn allowed_by(read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let available = kilobytes(&read("/proc/meminfo")?, "MemAvailable:")?;
    let held = kilobytes(&read("/proc/self/status")?, "VmRSS:")?;
    let mine = read("/proc/self/cgroup").unwrap_or_default();
    let of_groups = GROUPS.iter().filter_map(|group| left_in(group, &mine, read));
    let own = LIMITS.iter().filter_map(|limit| Some(limit.left(read)?.saturating_sub(RESERVED)));
    let left = of_groups.chain(own).fold(available, u64::min);
    Some(left + held)
}

/// What is left of the limits of the group that `/proc/self/cgroup` names, and of those around it.
fn left_in(group: &Group, mine: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let mut path = mine.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|controller| controller == group.controller).then_some(path)
    })?;
    let mut least: Option<u64> = None;
    loop {
        let folder = format!("{}{}", group.folder, path.trim_end_matches('/'));
        let number = |name| read(&format!("{folder}/{name}"))?.trim().parse::<u64>().ok();
        if let (Some(limit), Some(used)) = (number(group.limit), number(group.used)) {
            let cached = read(&format!("{folder}/memory.stat")).and_then(|stat| field(&stat, group.reclaimable));
            let left = limit.saturating_sub(used.saturating_sub(cached.unwrap_or(0)));
            least = Some(least.map_or(left, |least| least.min(left)));
        }
        // In a container the path may be the host's: the group is then what is mounted at the top.
        match path.rfind('/') {
            Some(end) if path.len() > 1 => path = &path[..end.max(1)],
            _ => return least,
        }
    }
}

/// `MemAvailable:   123 kB` in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    field(text, name).map(|kilobytes| kilobytes * 1024)
}

/// The number after a name.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name).filter(|rest| rest.starts_with([' ', '\t'])))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM: [(&str, &str); 2] = [
        ("/proc/meminfo", "MemTotal:       1000 kB\nMemAvailable:    600 kB\n"),
        ("/proc/self/status", "Name:\tx\nVmRSS:\t     50 kB\n"),
    ];

    /// In kB, of a system with these files beside [`SYSTEM`].
    fn check_allowed(files: &[(&str, &str)], want: Option<u64>) {
        let read = |path: &str| {
            let mut all = files.iter().chain(&SYSTEM);
            all.find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned())
        };
        assert_eq!(allowed_by(&read).map(|bytes| bytes / 1024), want, "{files:?}");
    }

    #[test]
    fn without_limits_it_is_what_is_available() {
        check_allowed(&[], Some(650));
        check_allowed(&[("/proc/self/cgroup", "0::/\n")], Some(650));
        check_allowed(&[("/proc/self/cgroup", "0::/a\n"), ("/sys/fs/cgroup/a/memory.max", "max\n")], Some(650));
        check_allowed(&[("/proc/meminfo", "")], None);
    }

    #[test]
    fn the_tightest_limit_counts_and_cached_files_do_not() {
        let mine = ("/proc/self/cgroup", "0::/a/b\n");
        let outer = [("/sys/fs/cgroup/a/memory.max", "409600\n"), ("/sys/fs/cgroup/a/memory.current", "204800\n")];
        check_allowed(&[mine, outer[0], outer[1]], Some(250));
        let stat = ("/sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 102400\nactive_file 7\n");
        check_allowed(&[mine, outer[0], outer[1], stat], Some(350));
        let inner = [("/sys/fs/cgroup/a/b/memory.max", "102400\n"), ("/sys/fs/cgroup/a/b/memory.current", "51200\n")];
        check_allowed(&[mine, outer[0], outer[1], inner[0], inner[1]], Some(100));
        // The path is the host's, the limit is the container's.
        let top = [("/sys/fs/cgroup/memory.max", "307200\n"), ("/sys/fs/cgroup/memory.current", "102400\n")];
        check_allowed(&[mine, top[0], top[1]], Some(250));
        // More is used than is allowed.
        check_allowed(&[mine, ("/sys/fs/cgroup/memory.max", "1024\n"), top[1]], Some(50));
    }

    /// Returns what Linux writes for these limits in bytes.
    fn limits(stack: &str, data: &str, address: &str) -> String {
        format!(
            "Limit                     Soft Limit           Hard Limit           Units     \n\
             Max cpu time              unlimited            unlimited            seconds   \n\
             Max data size             {data:<20} unlimited            bytes     \n\
             Max stack size            {stack:<20} unlimited            bytes     \n\
             Max address space         {address:<20} unlimited            bytes     \n"
        )
    }

    #[test]
    fn limits_of_the_process_count_as_those_of_its_group() {
        let status = ("/proc/self/status", "VmSize:\t 100 kB\nVmRSS:\t 50 kB\nVmData:\t 20 kB\n");
        let of = |data: u64, address: u64| {
            let [data, address] = [data, address].map(|kilobytes| (RESERVED + kilobytes * 1024).to_string());
            limits("8388608", &data, &address)
        };
        check_allowed(&[status, ("/proc/self/limits", &limits("8388608", "unlimited", "unlimited"))], Some(650));
        check_allowed(&[status, ("/proc/self/limits", &of(9999, 400))], Some(350));
        check_allowed(&[status, ("/proc/self/limits", &of(220, 400))], Some(250));
        check_allowed(&[status, ("/proc/self/limits", &of(10, 400))], Some(50));
    }

    #[test]
    fn ranks_on_one_gpu_have_equal_shares_of_it() {
        let on = |gpu: &str, free: u64| (Some(gpu.to_owned()), Some(free));
        let ranks = [on("a 1", 900), on("a 2", 1000), on("a 1", 600), on("b 1", 800)];
        let shares: Vec<_> = ranks.iter().map(|mine| share(mine, &ranks)).collect();
        assert_eq!(shares, [Some(300), Some(1000), Some(300), Some(800)]);
        // An emulated GPU is its rank's own, and a processor has none.
        let own = [(None, Some(900)), (None, Some(800)), (None, None)];
        assert_eq!(own.each_ref().map(|mine| share(mine, &own)), [Some(900), Some(800), None]);
    }

    #[test]
    fn limits_that_leave_no_room_are_refused_in_a_line() {
        let status = "VmSize:\t 100 kB\nVmData:\t 20 kB\n";
        let refused = |limits: &str| {
            let read = |path: &str| Some(if path.ends_with("limits") { limits } else { status }.to_owned());
            super::check(&read).err().map(|error| error.to_string())
        };
        assert_eq!(refused(&limits("8388608", "unlimited", "unlimited")), None);
        let line = |option: &str| format!("`ulimit {option}` leaves ");
        assert!(refused(&limits("8388608", "unlimited", "40960000")).unwrap().starts_with(&line("-v")));
        assert!(refused(&limits("8388608", "9216000", "unlimited")).unwrap().starts_with(&line("-d")));
        assert!(refused(&limits("65536", "unlimited", "unlimited")).unwrap().starts_with(&line("-s")));
    }

    #[test]
    fn version_one_has_other_names() {
        let mine = ("/proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/job\n1:name=systemd:/y\n");
        let job = "/sys/fs/cgroup/memory/job";
        let (limit, used, stat) = (
            format!("{job}/memory.limit_in_bytes"),
            format!("{job}/memory.usage_in_bytes"),
            format!("{job}/memory.stat"),
        );
        check_allowed(
            &[mine, (&limit, "204800\n"), (&used, "153600\n"), (&stat, "inactive_file 1\ntotal_inactive_file 51200\n")],
            Some(150),
        );
        // What version 1 writes for no limit.
        check_allowed(&[mine, (&limit, "9223372036854771712\n"), (&used, "153600\n")], Some(650));
    }
}
