//! Each function of the driver and of cublasLt fails with each code of the headers, at each of its calls: the message names
//! the function, the code and its meaning, nothing panics, and whatever was made is given back.

use crate::codes::{CUBLAS, DRIVER};
use crate::harness::{Fake, PTX};
use std::collections::BTreeMap;
use tagsmith_device::Error;
use tagsmith_device::cuda;
use tagsmith_device::gpu::Gpu;
use tagsmith_device::launch::{Arg, Launch};
use tagsmith_device::multiply::Element;
use tagsmith_device::multiply::plans::{self, Plan, RowMajor, Start};
use tagsmith_device::traffic::Traffic;

/// Functions that end something. Nobody can be told that they failed.
const SILENT: &[&str] = &[
    "cuDevicePrimaryCtxRelease_v2",
    "cuStreamDestroy_v2",
    "cuEventDestroy_v2",
    "cuMemFree_v2",
    "cuMemFreeHost",
    "cuModuleUnload",
    "cuGraphExecDestroy",
    "cuGraphDestroy",
    "cublasLtDestroy",
    "cublasLtMatmulDescDestroy",
    "cublasLtMatrixLayoutDestroy",
    "cublasLtMatmulPreferenceDestroy",
];

/// Functions that make or change a graph. Without them work is done by plain calls, and that is remarked.
const SPARED: &[&str] = &[
    "cuStreamBeginCapture_v2",
    "cuStreamGetCaptureInfo_v2",
    "cuStreamEndCapture",
    "cuGraphInstantiateWithFlags",
    "cuGraphExecKernelNodeSetParams_v2",
];

/// Calls every function that we call. Returns the calls before everything was given back, and what the driver remarks.
pub fn scenario(fake: &Fake) -> Result<(Vec<String>, Option<String>), Error> {
    fake.calls();
    let infos = cuda::devices(&fake.places())?;
    assert_eq!(infos.len(), 2);
    let gpu = Gpu::new(Box::new(cuda::open(&fake.places(), 1, PTX)?));
    let driver = gpu.driver();
    let (rows, inputs, outputs) = (3u64, 5u64, 4u64);
    let [x, w, y, dx, bias] = [rows * inputs, outputs * inputs, rows * outputs, rows * inputs, outputs].map(|n| 4 * n);
    let room = |bytes| {
        let room = gpu.room(bytes);
        gpu.check().map(|()| room)
    };
    let (x, w, y, dx, bias) = (room(x)?, room(w)?, room(y)?, room(dx)?, room(bias)?);
    driver.memory()?;
    driver.upload(x.address(), &[0; 60])?;
    let matrix =
        |room: &tagsmith_device::gpu::Room, rows, columns| RowMajor::dense(room.address(), Element::F32, rows, columns);
    let (mx, mw) = (matrix(&x, rows, inputs), matrix(&w, outputs, inputs));
    let (my, mdx) = (matrix(&y, rows, outputs), matrix(&dx, rows, inputs));
    // Plain calls, then a graph of them, then the graph with another number.
    for round in 0..3 {
        for room in [&w, &y, &dx, &bias] {
            driver.clear(room.address(), room.bytes())?;
        }
        driver.copy(x.address(), dx.address(), x.bytes())?;
        let launch = |kernel, grid, block, args| {
            driver.launch(&Launch { kernel, grid, block, args, traffic: Traffic::default() })
        };
        launch("nothing", [1, 1, 1], [32, 1, 1], Vec::new())?;
        let args = vec![Arg::Address(x.address()), Arg::I32(round), Arg::F32(0.5), Arg::U64(7)];
        launch("scale", [2, 3, 4], [32, 2, 1], args)?;
        for plan in [
            plans::forward(mx, mw, Start::Bias(bias.address()), my),
            plans::input_gradient(my, mw, Start::Zero, mdx),
            plans::weight_gradient(my, mx, Start::Accumulate, mw),
        ] {
            let Plan::Multiply(multiply) = plan else { panic!("{plan:?}") };
            driver.multiply(&multiply)?;
        }
        driver.wait()?;
    }
    let mut out = [0; 60];
    driver.download(dx.address(), &mut out)?;
    driver.wait()?;
    Ok((fake.calls(), driver.remark()))
}

/// Returns the name that messages use, which is the header's without the version of the function.
fn shown(name: &str) -> &str {
    name.strip_suffix("_v2").unwrap_or(name)
}

/// Returns what the library says a code means.
fn meaning(name: &str) -> String {
    name.split_once('_').expect("a prefix").1.to_lowercase().replace('_', " ")
}

#[test]
fn the_scenario_calls_every_function_and_leaves_nothing() {
    let fake = Fake::new();
    let (mut calls, remark) = scenario(&fake).expect("it works");
    assert_eq!(remark, None);
    calls.extend(fake.calls());
    assert_eq!(fake.live(), Vec::<String>::new());
    let notes = fake.notes();
    assert!(notes.iter().all(|note| ["search", "product"].iter().any(|kind| note.starts_with(kind))), "{notes:?}");
    // All but the functions that tell names, and the version, which have no code.
    let called: std::collections::BTreeSet<String> = calls.into_iter().collect();
    assert_eq!(called.len(), 39 + 15, "{called:?}");
}

/// Makes a function fail at one of its calls, and holds the message against what is expected. Nobody is told of a failure
/// while everything is given back.
fn fails(fake: &Fake, name: &str, code: u32, wait: u64, told: bool) {
    fake.fail(name, code, wait);
    let result = scenario(fake).map(|(_, remark)| remark);
    let case = format!("{name}, call {wait}, code {code}: {result:?}");
    fake.fail(name, 0, 0);
    assert_eq!(fake.live(), Vec::<String>::new(), "{case}");
    let names = if name.starts_with("cublas") { CUBLAS } else { DRIVER };
    let known = names.iter().find(|(known, _)| *known == code).map(|(_, name)| *name);
    if SILENT.contains(&name) || !told {
        assert!(result.is_ok(), "{case}");
        return;
    }
    let message = match result {
        Ok(remark) if SPARED.contains(&name) => {
            let remark = remark.expect(&case);
            let reason = "its kernels are launched one by one, which takes longer, since it makes no graphs: ";
            remark.strip_prefix(reason).expect(&case).to_owned()
        }
        result => result.expect_err(&case).to_string(),
    };
    match (name, known) {
        ("cuMemAlloc_v2", Some("CUDA_ERROR_OUT_OF_MEMORY")) => {
            assert!(message.starts_with("Fake 71: ") && message.contains(" bytes do not fit; "), "{message}");
        }
        // Such an answer means that the algorithm cannot be used.
        ("cublasLtMatmulAlgoCheck", _) if [7, 8, 15].contains(&code) => {
            assert!(message.starts_with("cublasLt has no algorithm that does not split sums"), "{message}");
        }
        (_, Some(known)) => {
            let start = format!("{}: {known} ({}", shown(name), meaning(known));
            assert!(message.starts_with(&start), "{case}: {message}, not {start}");
        }
        (_, None) => {
            assert!(
                message.starts_with(&format!("{}: ", shown(name))) && message.contains(&code.to_string()),
                "{case}"
            );
        }
    }
}

#[test]
fn every_code_of_every_function_is_told() {
    let fake = Fake::new();
    let (loud, _) = scenario(&fake).expect("it works");
    let quiet = fake.calls();
    let mut counts: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    loud.iter().for_each(|name| counts.entry(name).or_default()[0] += 1);
    quiet.iter().for_each(|name| counts.entry(name).or_default()[1] += 1);
    for (name, [loud, quiet]) in counts {
        let names = if name.starts_with("cublas") { CUBLAS } else { DRIVER };
        // A code that no header has yet.
        for code in names.iter().map(|(code, _)| *code).chain([4242]) {
            fails(&fake, name, code, 0, loud > 0);
        }
        // The last code stands for the others.
        let (code, _) = names[names.len() - 1];
        (1..loud + quiet).for_each(|wait| fails(&fake, name, code, wait, wait < loud));
    }
}
