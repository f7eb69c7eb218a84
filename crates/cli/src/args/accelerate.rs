//! What a configuration of Hugging Face's accelerate asks for: precision, and how many processes.

use super::TrainLine;
use super::option::{DEVICE, NO_DEVICE};
use crate::environment;
use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tagsmith_app::machine::device::DeviceChoice;
use tagsmith_files::strict_json::Distinct;
use yaml_rust2::parser::{Event, Parser};

/// More than any configuration has.
const FILE_BYTES_MAX: usize = 1 << 16;

/// Keys of accelerate 1.15's configuration of a local machine that can change nothing here.
#[rustfmt::skip]
const WITHOUT_EFFECT: [&str; 23] = [
    "compute_environment", "debug", "machine_rank", "num_machines", "main_process_ip",
    "main_process_port", "rdzv_backend", "same_network", "main_training_function", "enable_cpu_affinity",
    "fp8_config", "mpirun_config", "downcast_bf16", "tpu_name", "tpu_zone", "tpu_use_cluster", "tpu_use_sudo",
    "command_file", "commands", "tpu_vm", "tpu_env", "dynamo_config", "dynamo_backend",
];

/// What splits a model over devices, which no process here does.
const SPLITS: [&str; 4] = ["deepspeed_config", "fsdp_config", "parallelism_config", "megatron_lm_config"];

/// What is read of a configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Accelerate {
    /// The precision, by accelerate's name, if the file names one.
    pub precision: Option<String>,
    /// How many processes, if it says.
    pub processes: Option<usize>,
    /// Where to compute, if it says.
    pub device: Option<DeviceChoice>,
}

impl Accelerate {
    /// Reads a file, JSON if it is called so and YAML otherwise.
    pub fn read(path: &Path) -> anyhow::Result<Accelerate> {
        let place = path.display();
        let bytes = fs::read(path).with_context(|| format!("`{place}`"))?;
        ensure!(bytes.len() <= FILE_BYTES_MAX, "`{place}`: this is not a configuration of accelerate: it is too long");
        let text = String::from_utf8(bytes).with_context(|| format!("`{place}`"))?;
        let entries = match path.extension().is_some_and(|ending| ending == "json") {
            true => from_json(&text),
            false => from_yaml(&text),
        };
        entries.and_then(|entries| Accelerate::of(&entries)).with_context(|| format!("`{place}`"))
    }

    fn of(entries: &BTreeMap<String, String>) -> anyhow::Result<Accelerate> {
        let entry = |key: &str| entries.get(key).map(String::as_str);
        let Some(kind) = entry("distributed_type") else {
            bail!("it has no `distributed_type`: this is not a configuration of accelerate");
        };
        let works = ["distributed_type", "mixed_precision", "num_processes", "fp16", "use_cpu", "gpu_ids"];
        let known = |key: &str| works.contains(&key) || WITHOUT_EFFECT.contains(&key) || SPLITS.contains(&key);
        if let Some(unknown) = entries.keys().find(|key| !known(key)) {
            bail!("`{unknown}` is not a key of accelerate 1.15: remove it");
        }
        let splits = SPLITS.into_iter().find(|key| entry(key) == Some(NESTED)).map(|key| format!("`{key}`"));
        let device = device(kind, entry("use_cpu"), entry("gpu_ids").filter(|it| !NOTHING.contains(it)));
        let refused = splits.or(device.as_ref().err().cloned());
        if let Some(what) = refused {
            bail!("{what} cannot be honored: {NO_DEVICE}: configure MULTI_GPU, MULTI_CPU or NO");
        }
        if let Some(other) = entry("compute_environment").filter(|&it| it != "LOCAL_MACHINE") {
            bail!("`compute_environment` is {other}: only LOCAL_MACHINE is read");
        }
        let old = entry("fp16").filter(|it| it.eq_ignore_ascii_case("true")).map(|_| "fp16");
        let precision = match entry("mixed_precision").filter(|it| !NOTHING.contains(it)).or(old) {
            None | Some("no" | "No" | "NO" | "false" | "False") => None,
            Some(known @ ("fp16" | "bf16")) => Some(known.to_owned()),
            Some(other) => bail!("`mixed_precision` is {other}: no, fp16 and bf16 are computed here"),
        };
        let processes = match entry("num_processes") {
            // accelerate's own default, for launchers that say it otherwise.
            None | Some("-1") => None,
            Some(number) => match number.parse() {
                Ok(number @ 1..) => Some(number),
                _ => bail!("`num_processes` is {number}, but should be a number from 1 on"),
            },
        };
        Ok(Accelerate { precision, processes, device: device.unwrap_or_default() })
    }

    /// Checks that the processes of the file are those that there are.
    pub fn check(&self, ranks: usize) -> anyhow::Result<()> {
        match self.processes {
            Some(processes) if processes != ranks => bail!(
                "accelerate's configuration asks for {processes} processes, and there {}: run `mpirun -n {processes} tagsmith …`",
                if ranks == 1 { "is one".to_owned() } else { format!("are {ranks}") }
            ),
            _ => Ok(()),
        }
    }
}

/// The answers of `accelerate config`, as far as they matter here.
#[derive(Debug, PartialEq, Eq)]
pub struct Answers {
    kind: String,
    processes: usize,
    precision: String,
}

impl Answers {
    /// The precisions there are. The first is f32.
    pub const PRECISIONS: [&str; 3] = ["no", "fp16", "bf16"];

    /// Takes the type of the machine by accelerate's name, the number of processes, and the precision.
    pub fn new(kind: &str, processes: usize, precision: &str) -> Answers {
        Answers { kind: kind.into(), processes, precision: precision.into() }
    }

    /// Returns the file that accelerate 1.15 writes for one local machine.
    pub fn yaml(&self) -> String {
        let Answers { kind, processes, precision } = self;
        // YAML reads a bare `no` as a truth value.
        let word = |word: &str| if word.eq_ignore_ascii_case("no") { format!("'{word}'") } else { word.to_owned() };
        let gpus = if kind == MULTI_GPU { "gpu_ids: all\n" } else { "" };
        format!(
            "compute_environment: LOCAL_MACHINE\ndebug: false\ndistributed_type: {}\ndowncast_bf16: 'no'\n\
             enable_cpu_affinity: false\n{gpus}machine_rank: 0\nmain_training_function: main\nmixed_precision: {}\n\
             num_machines: 1\nnum_processes: {processes}\nrdzv_backend: static\nsame_network: true\ntpu_env: []\n\
             tpu_use_cluster: false\ntpu_use_sudo: false\nuse_cpu: {}\n",
            word(kind),
            word(precision),
            kind == "MULTI_CPU"
        )
    }
}

/// What accelerate calls training on GPUs of one machine.
const MULTI_GPU: &str = "MULTI_GPU";

/// Returns where to compute, where the file says it, or what cannot be honored. As with accelerate, all GPUs are without
/// a choice.
fn device(kind: &str, use_cpu: Option<&str>, gpu_ids: Option<&str>) -> Result<Option<DeviceChoice>, String> {
    let on_processor = kind == "MULTI_CPU" || use_cpu.is_some_and(|it| it.eq_ignore_ascii_case("true"));
    let gpus = gpu_ids.filter(|&ids| ids != "all");
    match (kind, gpus) {
        ("MULTI_CPU" | "NO" | MULTI_GPU, _) if on_processor => Ok(Some(DeviceChoice::Processor)),
        ("NO", None) => Ok(None),
        (MULTI_GPU, None) => Ok(Some(DeviceChoice::Cuda(None))),
        ("NO" | MULTI_GPU, Some(ids)) => match ids.trim_end_matches(',').parse() {
            Ok(number) => Ok(Some(DeviceChoice::Cuda(Some(number)))),
            Err(_) => Err(format!("`gpu_ids: {ids}`")),
        },
        _ => Err(format!("`distributed_type: {kind}`")),
    }
}

/// Takes over what accelerate's configuration asks for and the options do not: that of `--accelerate_config`, or else the
/// default file of `accelerate config`.
///
/// Nobody named the default file, so what it asks for in vain is said, and the run goes on without it.
pub fn apply(line: &mut TrainLine, ranks: usize) -> anyhow::Result<()> {
    if let Some(file) = line.rim.accelerate_config.clone() {
        let configuration = Accelerate::read(&file)?;
        configuration.check(ranks)?;
        take_over(line, configuration, &file);
        return Ok(());
    }
    let Some(file) = environment::accelerate_defaults().into_iter().find(|file| file.exists()) else { return Ok(()) };
    match Accelerate::read(&file) {
        Ok(mut configuration) => {
            // `auto` takes a GPU that is there, and nobody asked for one that is not.
            configuration.device = configuration.device.filter(|device| *device != DeviceChoice::Cuda(None));
            if let Err(other) = configuration.check(ranks) {
                line.lines.push(format!("`{}`: {other}", file.display()));
            }
            take_over(line, configuration, &file);
        }
        Err(error) => line.lines.push(format!("accelerate's default configuration is left out: {error:#}")),
    }
    Ok(())
}

fn take_over(line: &mut TrainLine, configuration: Accelerate, file: &Path) {
    if let Some(precision) = configuration.precision.filter(|_| !line.args.machine.bf16) {
        line.lines.push(format!("`{}` asks for {precision}: products are computed as `--bf16` does", file.display()));
        line.args.machine.bf16 = true;
    }
    let chosen = &mut line.args.machine.device.device;
    if let Some(device) = configuration.device.filter(|_| *chosen == DeviceChoice::Auto) {
        line.lines.push(format!("`{}` asks for `--{DEVICE} {device}`", file.display()));
        *chosen = device;
    }
}

/// In the place of a mapping or a list that holds something.
const NESTED: &str = "{…}";
/// How YAML writes that there is nothing.
const NOTHING: [&str; 4] = ["", "null", "~", "Null"];

fn from_json(text: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let Distinct(value) = serde_json::from_str(text).context("this is not JSON that can be read")?;
    let Value::Object(object) = value else { bail!("this is not a JSON object") };
    let word = |value: Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        Value::Object(inside) if inside.is_empty() => String::new(),
        Value::Array(inside) if inside.is_empty() => String::new(),
        Value::Object(_) | Value::Array(_) => NESTED.to_owned(),
        other => other.to_string(),
    };
    Ok(object.into_iter().map(|(key, value)| (key, word(value))).collect())
}

/// The keys of the outermost mapping and their values. Event by event: however deep a file is nested, and whatever its
/// aliases stand for, it is read once.
fn from_yaml(text: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let mut parser = Parser::new_from_str(text);
    let (mut entries, mut key, mut depth) = (BTreeMap::new(), None, 0);
    let mut holds = false;
    loop {
        let (event, at) = parser.next_token().map_err(|error| anyhow::anyhow!("this is not YAML: {error}"))?;
        match event {
            Event::Alias(_) => bail!("line {}: aliases are not read: write the value out", at.line()),
            Event::StreamEnd => return Ok(entries),
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                holds |= depth > 1;
                depth += 1;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                depth -= 1;
                if let (1, Some(key)) = (depth, key.take_if(|_| depth == 1)) {
                    entries.insert(key, if holds { NESTED.to_owned() } else { String::new() });
                    holds = false;
                }
            }
            Event::Scalar(..) if depth == 0 => bail!("this is not a mapping of keys to values"),
            Event::Scalar(word, ..) if depth == 1 => match key.take() {
                None => key = Some(word),
                Some(key) => _ = entries.insert(key, word),
            },
            Event::Scalar(..) => holds = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Accelerate, String> {
        from_yaml(text).and_then(|entries| Accelerate::of(&entries)).map_err(|error| error.to_string())
    }

    /// What `accelerate config` of accelerate 1.15 writes for four processes on processors.
    const FOUR: &str = "compute_environment: LOCAL_MACHINE\ndebug: false\ndistributed_type: MULTI_CPU\n\
        downcast_bf16: 'no'\nenable_cpu_affinity: false\nmachine_rank: 0\nmain_training_function: main\n\
        mixed_precision: bf16\nmpirun_config:\n  mpirun_ccl: '1'\n  mpirun_hostfile: hosts\nnum_machines: 1\n\
        num_processes: 4\nrdzv_backend: static\nsame_network: true\ntpu_env: []\ntpu_use_cluster: false\n\
        tpu_use_sudo: false\nuse_cpu: true\n";

    #[test]
    fn precision_and_processes_are_read() {
        let accelerate = |precision: Option<&str>, processes| Accelerate {
            precision: precision.map(Into::into),
            processes,
            device: None,
        };
        let four = Accelerate { device: Some(DeviceChoice::Processor), ..accelerate(Some("bf16"), Some(4)) };
        assert_eq!(read(FOUR), Ok(four));
        let without = "distributed_type: 'NO'\nmixed_precision: 'no'\nnum_processes: 1\n";
        assert_eq!(read(without), Ok(accelerate(None, Some(1))));
        assert_eq!(read("distributed_type: NO\nfp16: true\n"), Ok(accelerate(Some("fp16"), None)));
        assert_eq!(read("distributed_type: NO\nmixed_precision: null\nfsdp_config: {}\n"), Ok(accelerate(None, None)));
        let json = from_json(r#"{"distributed_type": "MULTI_CPU", "num_processes": 2, "mixed_precision": "fp16"}"#);
        let two = Accelerate { device: Some(DeviceChoice::Processor), ..accelerate(Some("fp16"), Some(2)) };
        assert_eq!(Accelerate::of(&json.unwrap()).unwrap(), two);
    }

    /// What is written is read as it was answered.
    #[test]
    fn answers_are_read_back() {
        for (kind, device) in
            [("NO", None), ("MULTI_CPU", Some(DeviceChoice::Processor)), ("MULTI_GPU", Some(DeviceChoice::Cuda(None)))]
        {
            for (precision, read_back) in [("no", None), ("fp16", Some("fp16")), ("bf16", Some("bf16"))] {
                let want = Accelerate { precision: read_back.map(Into::into), processes: Some(3), device };
                assert_eq!(read(&Answers::new(kind, 3, precision).yaml()), Ok(want));
            }
        }
    }

    #[test]
    fn devices_are_read() {
        use DeviceChoice::{Cuda, Processor};
        for (text, device) in [
            ("distributed_type: NO\nuse_cpu: false\ngpu_ids: all", None),
            ("distributed_type: NO\nuse_cpu: true\ngpu_ids: '1'", Some(Processor)),
            ("distributed_type: NO\ngpu_ids: '1'", Some(Cuda(Some(1)))),
            ("distributed_type: MULTI_GPU\ngpu_ids: all\nnum_processes: 2", Some(Cuda(None))),
            ("distributed_type: MULTI_GPU\ngpu_ids: 3,\nnum_processes: 1", Some(Cuda(Some(3)))),
            ("distributed_type: MULTI_GPU\nuse_cpu: True", Some(Processor)),
        ] {
            assert_eq!(read(text).map(|read| read.device), Ok(device), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_honored_is_refused() {
        let refused = |text: &str| read(text).unwrap_err();
        assert!(refused("num_processes: 2").contains("no `distributed_type`"));
        let zero = "distributed_type: MULTI_CPU\ndeepspeed_config:\n  zero_stage: 2\n";
        assert!(refused(zero).starts_with(&format!("`deepspeed_config` cannot be honored: {NO_DEVICE}")));
        // Every kind of device that accelerate 1.15 knows, whatever the number of processes.
        for kind in ["MULTI_NPU", "MULTI_XPU", "MULTI_HPU", "FSDP", "DEEPSPEED", "MEGATRON_LM", "XLA", "TPU"] {
            let want = format!(
                "`distributed_type: {kind}` cannot be honored: {NO_DEVICE}: configure MULTI_GPU, MULTI_CPU or NO"
            );
            assert_eq!(refused(&format!("distributed_type: {kind}\nnum_processes: 1")), want);
        }
        assert!(refused("distributed_type: NO\ngpu_ids: 0,1").starts_with("`gpu_ids: 0,1` cannot be honored: "));
        assert!(refused("distributed_type: NO\nmixed_precision: fp8").contains("fp8"));
        assert!(refused("distributed_type: NO\nnum_processes: none").contains("`num_processes` is none"));
        assert!(refused("distributed_type: NO\nbeans: 3").contains("`beans` is not a key"));
        assert!(refused("distributed_type: NO\ncompute_environment: AMAZON_SAGEMAKER").contains("LOCAL_MACHINE"));
        assert!(refused("[1, 2").contains("not YAML"));
        assert!(refused("a").contains("not a mapping"));
        assert!(refused("a: &x [1]\nb: [*x, *x]").contains("line 2: aliases are not read"));
        // Deep nesting ends, and no stack with it.
        assert!(read(&"[".repeat(60_000)).is_err());
    }

    #[test]
    fn another_number_of_processes_is_refused_with_the_command() {
        let two = Accelerate { processes: Some(2), ..Accelerate::default() };
        assert!(two.check(2).is_ok() && Accelerate::default().check(7).is_ok());
        let refusal = two.check(1).unwrap_err().to_string();
        assert!(refusal.ends_with("asks for 2 processes, and there is one: run `mpirun -n 2 tagsmith …`"), "{refusal}");
    }
}
