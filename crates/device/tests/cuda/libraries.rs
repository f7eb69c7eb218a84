//! Libraries that are missing, too old, too new, or not libraries.

use crate::errors::scenario;
use crate::harness::{Fake, PTX, only};
use std::collections::BTreeSet;
use tagsmith_device::Error;
use tagsmith_device::cuda::{self, Places};
use tagsmith_testkit::fake_gpu::{NAMES, library, put};
use tempfile::TempDir;

fn refusal(places: &Places) -> String {
    match cuda::open(places, 0, PTX) {
        Err(Error::Missing(message) | Error::Unsupported(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn devices_are_described() {
    let fake = Fake::new();
    let infos = cuda::devices(&fake.places()).expect("devices");
    let [_, second] = &infos[..] else { panic!("{infos:?}") };
    assert_eq!((second.ordinal, second.name.as_str(), second.memory), (1, "Fake 71", 1 << 30));
    assert_eq!((second.capability, second.driver.version), ((9, 0), (12, 4)));
    assert_eq!(second.driver.path, fake.folder().join(NAMES[0]));
    assert_eq!(cuda::memory(&fake.places(), 1).expect("it tells"), (1 << 30, 1 << 30));
    assert!(cuda::memory(&fake.places(), 2).unwrap_err().to_string().starts_with("cuDeviceGet: "));
    assert_eq!(fake.live(), Vec::<String>::new());
    let products = second.products.as_ref().expect("cublasLt");
    assert_eq!((products.version, &products.path), ((12, 2), &fake.folder().join(NAMES[1])));
}

#[test]
fn a_driver_that_shows_no_device_is_like_one_that_is_missing() {
    let fake = Fake::new();
    fake.fail("cuInit", 100, 0);
    let error = cuda::devices(&fake.places()).unwrap_err();
    assert!(matches!(error, Error::Missing(_)) && error.to_string().contains("CUDA_VISIBLE_DEVICES"), "{error}");
}

#[test]
fn a_missing_driver_is_one_sentence() {
    let folder = TempDir::new().expect("a folder");
    let sentence = "there is no NVIDIA driver: libcuda.so.1 cannot be loaded; install NVIDIA's driver 530 or later \
                    (Debian and Ubuntu: `apt install nvidia-driver`)";
    assert_eq!(cuda::devices(&only(folder.path())).unwrap_err().to_string(), sentence);
    assert_eq!(refusal(&only(folder.path())), sentence);
    // No folder at all, and one that is not there.
    for folders in [Vec::new(), vec![folder.path().join("nowhere")]] {
        assert_eq!(refusal(&Places { folders, system: false }), sentence);
    }
}

#[test]
fn a_missing_cublas_lt_is_one_sentence_with_its_command() {
    let fake = Fake::of(library(), &["libcuda.so.1"]);
    let sentence = "there is no libcublasLt.so.12, which computes products: `pip install nvidia-cublas-cu12` brings \
                    libcublasLt.so.12, below site-packages in nvidia/cublas/lib; name one of these folders as that of CUDA's \
                    libraries";
    assert_eq!(refusal(&fake.places()), sentence);
    assert_eq!(cuda::devices(&fake.places()).expect("devices")[0].products, Err(sentence.to_owned()));
    assert_eq!(fake.live(), Vec::<String>::new());
}

#[test]
fn cublas_lt_is_found_where_wheels_put_it() {
    for (below, name, driver) in
        [("nvidia/cublas/lib", "libcublasLt.so.12", 12040), ("nvidia/cu13/lib", "libcublasLt.so.13", 13000)]
    {
        let (fake, packages) = (Fake::of(library(), &["libcuda.so.1"]), TempDir::new().expect("a folder"));
        put(&packages.path().join(below), library(), &[name]);
        fake.set("driver", driver);
        let folders = vec![fake.folder(), packages.path().to_owned()];
        let infos = cuda::devices(&Places { folders, system: false }).expect("devices");
        let found = infos[0].products.as_ref().expect("cublasLt");
        assert_eq!(found.path, packages.path().join(below).join(name));
    }
}

#[test]
fn the_cublas_lt_of_the_driver_s_version_is_taken() {
    let names = ["libcuda.so.1", "libcublasLt.so.12", "libcublasLt.so.13"];
    let fake = Fake::of(library(), &names);
    for (driver, name) in [(12_010, names[1]), (12_090, names[1]), (13_000, names[2]), (14_000, names[2])] {
        fake.set("driver", driver);
        let infos = cuda::devices(&fake.places()).expect("devices");
        assert_eq!(infos[0].products.as_ref().expect("cublasLt").path, fake.folder().join(name));
    }
    let fake = Fake::of(library(), &["libcuda.so.1", "libcublasLt.so.13"]);
    let message = refusal(&fake.places());
    let newer = fake.folder().join("libcublasLt.so.13");
    let told = format!("({} needs a driver of CUDA 13, and this one is of 12.4)", newer.display());
    assert!(message.contains(&told) && message.contains("pip install nvidia-cublas-cu12"), "{message}");
}

#[test]
fn what_is_not_a_library_is_told() {
    let folder = TempDir::new().expect("a folder");
    put(folder.path(), b"not a library", &["libcuda.so.1"]);
    let message = refusal(&only(folder.path()));
    let file = folder.path().join("libcuda.so.1");
    assert!(message.contains(&format!("({}: ", file.display())) && message.contains("apt install"), "{message}");
}

#[test]
fn every_missing_function_is_named() {
    let fake = Fake::new();
    let (calls, _) = scenario(&fake).expect("it works");
    let unasked = ["cuGetErrorName", "cuGetErrorString", "cublasLtGetVersion", "cublasLtGetStatusName"];
    let more = unasked.into_iter().chain(["cublasLtGetStatusString"]).map(str::to_owned);
    let called: BTreeSet<String> = calls.into_iter().chain(fake.calls()).chain(more).collect();
    assert!(called.len() == 59, "{called:?}");
    for name in called {
        // The name is changed where the loader reads it.
        let (mut bytes, needle) = (library().to_vec(), [b"\0", name.as_bytes(), b"\0"].concat());
        let at = bytes.windows(needle.len()).position(|window| window == needle).expect("the name");
        bytes[at + 1] = b'x';
        let folder = TempDir::new().expect("a folder");
        put(folder.path(), &bytes, NAMES);
        let message = refusal(&only(folder.path()));
        let file = folder.path().join(NAMES[usize::from(name.starts_with("cublas"))]);
        let told = format!("{} has no function `{name}`, so it is too old: ", file.display());
        assert!(message.starts_with(&told) && message.contains("install"), "{message}");
    }
}

#[test]
fn what_is_too_old_or_not_there_is_refused() {
    let fake = Fake::new();
    fake.set("major", 7);
    fake.set("minor", 5);
    assert_eq!(
        refusal(&fake.places()),
        "GPU 0, Fake 70, has compute capability 7.5; our kernels need 8.0 or more (Ampere, 2020)"
    );
    fake.set("major", 8);
    fake.set("minor", 0);
    assert!(cuda::open(&fake.places(), 0, PTX).is_ok());
    fake.set("driver", 12_000);
    assert_eq!(
        refusal(&fake.places()),
        "the driver is of CUDA 12.0; our kernels need 12.1 or more: install driver 530 or later"
    );
    fake.set("driver", 12_010);
    assert!(cuda::open(&fake.places(), 0, PTX).is_ok());
    for (devices, ordinal) in [(2, 2), (0, 0), (1, usize::MAX)] {
        fake.set("devices", devices);
        let message = cuda::open(&fake.places(), ordinal, PTX).unwrap_err().to_string();
        assert_eq!(message, format!("there is no GPU {ordinal}: the driver shows {devices}, counted from 0"));
    }
    assert_eq!(fake.live(), Vec::<String>::new());
}

#[test]
fn the_log_of_the_driver_s_compiler_is_told() {
    let fake = Fake::new();
    let message = cuda::open(&fake.places(), 0, ".version 8.1\nnonsense\n").unwrap_err().to_string();
    assert_eq!(
        message,
        "cuModuleLoadDataEx: CUDA_ERROR_INVALID_PTX (error invalid ptx; its log: ptxas fatal: line 2; Parsing error near \
         'nonsense')"
    );
    for (ptx, message) in [
        (".entry f(.param .b8 f_param_0) {", "the PTX: `f` has a parameter `.param .b8 f_param_0`"),
        ("a\0b", "the PTX holds a zero byte"),
    ] {
        assert_eq!(cuda::open(&fake.places(), 0, ptx).unwrap_err().to_string(), message);
    }
    assert_eq!(fake.live(), Vec::<String>::new());
}
