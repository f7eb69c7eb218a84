//! Figures for Prometheus: fixed arrays of counters, so memory does not grow with what clients send.

pub mod process;

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Statuses that are counted; others count as the last.
const STATUSES: [u16; 17] = [200, 201, 204, 400, 401, 404, 405, 408, 413, 415, 422, 429, 431, 499, 500, 503, 504];

/// Upper bounds of times, in seconds.
const SECONDS: [f64; 18] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0];

/// Upper bounds of sizes are powers of two up to this one.
const SIZES: usize = 21;

/// Why a request was refused or given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// More work than can be done in time.
    Overloaded,
    /// Time was over.
    Deadline,
    /// A body or a text above a limit.
    Payload,
    /// A request that asks for something that cannot be done.
    Validation,
    /// No key.
    Auth,
    /// A client that did not wait.
    Gone,
}

impl Reason {
    const NAMES: [&str; 6] = ["overloaded", "deadline", "payload", "validation", "auth", "gone"];
}

/// Counts of values by their size.
struct Histogram<const N: usize> {
    counts: [AtomicU64; N],
    above: AtomicU64,
    /// The sum, in millionths.
    sum: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    fn new() -> Self {
        Histogram { counts: [const { AtomicU64::new(0) }; N], above: AtomicU64::new(0), sum: AtomicU64::new(0) }
    }

    fn put(&self, value: f64, bound: impl Fn(usize) -> f64) {
        let bucket = (0..N).find(|&at| value <= bound(at)).map_or(&self.above, |at| &self.counts[at]);
        bucket.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add((value * 1e6) as u64, Ordering::Relaxed);
    }

    fn write(&self, out: &mut String, name: &str, labels: &str, bound: impl Fn(usize) -> f64) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut sum = 0;
        for at in 0..N {
            sum += self.counts[at].load(Ordering::Relaxed);
            _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{}\"}} {sum}", bound(at));
        }
        sum += self.above.load(Ordering::Relaxed);
        _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {sum}");
        let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        _ = writeln!(out, "{name}_sum{braced} {}", self.sum.load(Ordering::Relaxed) as f64 / 1e6);
        _ = writeln!(out, "{name}_count{braced} {sum}");
    }
}

fn seconds(at: usize) -> f64 {
    SECONDS[at]
}

fn size(at: usize) -> f64 {
    (1u64 << at) as f64
}

/// The counters of one route.
struct OfRoute {
    statuses: [AtomicU64; STATUSES.len() + 1],
    durations: Histogram<{ SECONDS.len() }>,
}

/// All counters of a server.
pub struct Metrics {
    /// The paths of the routes, and one for everything else.
    routes: Vec<String>,
    of_routes: Vec<OfRoute>,
    tokenizing: Histogram<{ SECONDS.len() }>,
    queueing: Histogram<{ SECONDS.len() }>,
    inferring: Histogram<{ SECONDS.len() }>,
    batch_pieces: Histogram<SIZES>,
    batch_windows: Histogram<SIZES>,
    input_pieces: Histogram<SIZES>,
    input_characters: Histogram<SIZES>,
    rejected: [AtomicU64; Reason::NAMES.len()],
    truncated: AtomicU64,
    hits: AtomicU64,
    /// The entities' types, and one for all others.
    types: Vec<String>,
    of_types: Vec<AtomicU64>,
    /// What was built, as labels of `tagsmith_build_info`.
    build: String,
}

/// The name of what has no name of its own.
const OTHER: &str = "other";

impl Metrics {
    /// Returns counters of these routes and these types of entities, all zero. `build` says what was built.
    pub fn new(routes: &[&str], types: &[String], build: &[(&str, String)]) -> Metrics {
        process::begin();
        let named = |names: &mut dyn Iterator<Item = String>| -> Vec<String> {
            names.chain(std::iter::once(OTHER.to_owned())).collect()
        };
        let routes = named(&mut routes.iter().map(|route| (*route).to_owned()));
        let types = named(&mut types.iter().cloned());
        let of_route =
            |_| OfRoute { statuses: [const { AtomicU64::new(0) }; STATUSES.len() + 1], durations: Histogram::new() };
        let build: Vec<String> = build.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        Metrics {
            of_routes: (0..routes.len()).map(of_route).collect(),
            of_types: (0..types.len()).map(|_| AtomicU64::new(0)).collect(),
            routes,
            types,
            tokenizing: Histogram::new(),
            queueing: Histogram::new(),
            inferring: Histogram::new(),
            batch_pieces: Histogram::new(),
            batch_windows: Histogram::new(),
            input_pieces: Histogram::new(),
            input_characters: Histogram::new(),
            rejected: [const { AtomicU64::new(0) }; Reason::NAMES.len()],
            truncated: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            build: build.join(","),
        }
    }

    /// Counts a response.
    pub fn response(&self, route: &str, status: u16, began: Instant) {
        let at = self.routes.iter().position(|known| known == route).unwrap_or(self.routes.len() - 1);
        let of_route = &self.of_routes[at];
        let status = STATUSES.iter().position(|&known| known == status).unwrap_or(STATUSES.len());
        of_route.statuses[status].fetch_add(1, Ordering::Relaxed);
        of_route.durations.put(began.elapsed().as_secs_f64(), seconds);
    }

    /// Counts a refusal, or a request that was given up.
    pub fn reject(&self, reason: Reason) {
        self.rejected[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer that was kept.
    pub fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a batch.
    pub fn batch(&self, pieces: usize, windows: usize) {
        self.batch_pieces.put(pieces as f64, size);
        self.batch_windows.put(windows as f64, size);
    }

    /// Counts an answered request's times.
    pub fn spent(&self, tokenizing: Duration, waiting: Duration, computing: Duration) {
        self.tokenizing.put(tokenizing.as_secs_f64(), seconds);
        self.queueing.put(waiting.as_secs_f64(), seconds);
        self.inferring.put(computing.as_secs_f64(), seconds);
    }

    /// Counts a tagged input, with the types of its entities.
    pub fn document<'d>(&self, sizes: [usize; 2], is_truncated: bool, types: impl Iterator<Item = &'d str>) {
        let [characters, pieces] = sizes;
        self.input_pieces.put(pieces as f64, size);
        self.input_characters.put(characters as f64, size);
        if is_truncated {
            self.truncated.fetch_add(1, Ordering::Relaxed);
        }
        for kind in types {
            let at = self.types.iter().position(|known| known == kind).unwrap_or(self.types.len() - 1);
            self.of_types[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns everything as Prometheus reads it. `load` holds requests in progress, and windows and pieces that wait.
    pub fn exposition(&self, load: [usize; 3]) -> String {
        let mut out = String::with_capacity(32 << 10);
        let head = |out: &mut String, name: &str, kind: &str, help: &str| {
            _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        };
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        head(&mut out, "tagsmith_requests_total", "counter", "Responses by route and status.");
        for (route, of_route) in self.routes.iter().zip(&self.of_routes) {
            for (at, count) in of_route.statuses.iter().enumerate().filter(|(_, count)| get(count) > 0) {
                let status = STATUSES.get(at).map_or_else(|| OTHER.to_owned(), ToString::to_string);
                let count = get(count);
                _ = writeln!(out, "tagsmith_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}");
            }
        }
        let name = "tagsmith_request_duration_seconds";
        head(&mut out, name, "histogram", "Time of requests by route.");
        for (route, of_route) in self.routes.iter().zip(&self.of_routes) {
            if of_route.statuses.iter().any(|count| get(count) > 0) {
                of_route.durations.write(&mut out, name, &format!("route=\"{route}\""), seconds);
            }
        }
        for (name, histogram, help) in [
            ("tagsmith_tokenization_duration_seconds", &self.tokenizing, "Cutting a request's texts into pieces."),
            ("tagsmith_queue_duration_seconds", &self.queueing, "Waiting for the first turn."),
            ("tagsmith_inference_duration_seconds", &self.inferring, "From the first turn to the last."),
        ] {
            head(&mut out, name, "histogram", help);
            histogram.write(&mut out, name, "", seconds);
        }
        for (name, histogram, help) in [
            ("tagsmith_batch_pieces", &self.batch_pieces, "Pieces that the model read at once."),
            ("tagsmith_batch_windows", &self.batch_windows, "Windows that the model read at once."),
            ("tagsmith_input_pieces", &self.input_pieces, "Pieces of an input."),
            ("tagsmith_input_characters", &self.input_characters, "Characters of an input."),
        ] {
            head(&mut out, name, "histogram", help);
            histogram.write(&mut out, name, "", size);
        }
        let [requests, windows, pieces] = load;
        for (name, value, help) in [
            ("tagsmith_inflight_requests", requests, "Requests in progress."),
            ("tagsmith_queue_windows", windows, "Windows that wait."),
            ("tagsmith_queue_pieces", pieces, "Pieces that wait."),
        ] {
            head(&mut out, name, "gauge", help);
            _ = writeln!(out, "{name} {value}");
        }
        head(&mut out, "tagsmith_entities_total", "counter", "Entities found, by type.");
        for (label, count) in self.types.iter().zip(&self.of_types) {
            _ = writeln!(out, "tagsmith_entities_total{{label=\"{}\"}} {}", escaped(label), get(count));
        }
        head(&mut out, "tagsmith_rejected_total", "counter", "Requests without an answer, by reason.");
        for (reason, count) in Reason::NAMES.iter().zip(&self.rejected) {
            _ = writeln!(out, "tagsmith_rejected_total{{reason=\"{reason}\"}} {}", get(count));
        }
        for (name, count, help) in [
            ("tagsmith_truncated_total", &self.truncated, "Inputs of which a part was not read."),
            ("tagsmith_cache_hits_total", &self.hits, "Inputs whose answer was kept."),
        ] {
            head(&mut out, name, "counter", help);
            _ = writeln!(out, "{name} {}", get(count));
        }
        head(&mut out, "tagsmith_build_info", "gauge", "What runs.");
        _ = writeln!(out, "tagsmith_build_info{{{}}} 1", self.build);
        out + &process::exposition()
    }
}

/// Returns a label's value as the format has it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let histogram = Histogram::<3>::new();
        for value in [0.5, 1.0, 2.0, 3.0, 100.0] {
            histogram.put(value, size);
        }
        let mut out = String::new();
        histogram.write(&mut out, "x", "", size);
        let want = "x_bucket{le=\"1\"} 2\nx_bucket{le=\"2\"} 3\nx_bucket{le=\"4\"} 4\nx_bucket{le=\"+Inf\"} 5\n\
                    x_sum 106.5\nx_count 5\n";
        assert_eq!(out, want);
    }

    #[test]
    fn memory_does_not_grow_with_what_clients_send() {
        let metrics = Metrics::new(&["/"], &["PER".into()], &[("version", "1 \"x\"".into())]);
        let now = Instant::now();
        for number in 0..1000 {
            metrics.response(&format!("/{number}"), 200 + number, now);
        }
        let out = metrics.exposition([0; 3]);
        assert!(out.contains("tagsmith_requests_total{route=\"other\",status=\"other\"} 983\n"), "{out}");
        assert!(out.contains("tagsmith_build_info{version=\"1 \\\"x\\\"\"} 1\n"), "{out}");
        assert!(!out.contains("/999"));
    }
}
