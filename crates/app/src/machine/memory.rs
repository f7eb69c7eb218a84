//! How much memory this process may use: what the system has available, and what is left of its control groups' limits.

use std::fs;

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

/// Bytes that this process may hold in all, those it holds already among them; none where the system does not say.
pub fn allowed() -> Option<u64> {
    allowed_by(&|path| fs::read_to_string(path).ok())
}

fn allowed_by(read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let available = kilobytes(&read("/proc/meminfo")?, "MemAvailable:")?;
    let held = kilobytes(&read("/proc/self/status")?, "VmRSS:")?;
    let mine = read("/proc/self/cgroup").unwrap_or_default();
    let left = GROUPS.iter().filter_map(|group| left_in(group, &mine, read)).fold(available, u64::min);
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
    fn check(files: &[(&str, &str)], want: Option<u64>) {
        let read = |path: &str| {
            let mut all = files.iter().chain(&SYSTEM);
            all.find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned())
        };
        assert_eq!(allowed_by(&read).map(|bytes| bytes / 1024), want, "{files:?}");
    }

    #[test]
    fn without_limits_it_is_what_is_available() {
        check(&[], Some(650));
        check(&[("/proc/self/cgroup", "0::/\n")], Some(650));
        check(&[("/proc/self/cgroup", "0::/a\n"), ("/sys/fs/cgroup/a/memory.max", "max\n")], Some(650));
        check(&[("/proc/meminfo", "")], None);
    }

    #[test]
    fn the_tightest_limit_counts_and_cached_files_do_not() {
        let mine = ("/proc/self/cgroup", "0::/a/b\n");
        let outer = [("/sys/fs/cgroup/a/memory.max", "409600\n"), ("/sys/fs/cgroup/a/memory.current", "204800\n")];
        check(&[mine, outer[0], outer[1]], Some(250));
        let stat = ("/sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 102400\nactive_file 7\n");
        check(&[mine, outer[0], outer[1], stat], Some(350));
        let inner = [("/sys/fs/cgroup/a/b/memory.max", "102400\n"), ("/sys/fs/cgroup/a/b/memory.current", "51200\n")];
        check(&[mine, outer[0], outer[1], inner[0], inner[1]], Some(100));
        // The path is the host's, the limit is the container's.
        let top = [("/sys/fs/cgroup/memory.max", "307200\n"), ("/sys/fs/cgroup/memory.current", "102400\n")];
        check(&[mine, top[0], top[1]], Some(250));
        // More is used than is allowed.
        check(&[mine, ("/sys/fs/cgroup/memory.max", "1024\n"), top[1]], Some(50));
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
        check(
            &[mine, (&limit, "204800\n"), (&used, "153600\n"), (&stat, "inactive_file 1\ntotal_inactive_file 51200\n")],
            Some(150),
        );
        // What version 1 writes for no limit.
        check(&[mine, (&limit, "9223372036854771712\n"), (&used, "153600\n")], Some(650));
    }
}
