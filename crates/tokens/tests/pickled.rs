//! Weights as torch.save writes them (golden/pickled, written by oracle/pickled.py), and what only looks like them.

use proptest::prelude::*;
use std::path::Path;
use tagsmith_encoder::batch::Batch;
use tagsmith_encoder::config::Config;
use tagsmith_kernel::check::assert_close;
use tagsmith_testkit::golden::{self, Expected};
use tagsmith_tokens::error::Error;
use tagsmith_tokens::folder::Head;
use tagsmith_tokens::model::Model;
use tagsmith_weights::tensors::Reader;

fn load(folder: &Path) -> Result<(Model, Vec<String>), Error> {
    let config = Config::read(&golden::path("models/bert")).expect("the golden configuration reads").0;
    Model::load(folder, config, Head::Required)
}

/// Notes, with the folder called F.
fn said(folder: &Path, notes: &[String]) -> Vec<String> {
    notes.iter().map(|note| note.replace(&folder.display().to_string(), "F")).collect()
}

fn numbers(file: &Path, name: &str) -> Vec<f32> {
    let reader = Reader::open(file).expect("golden files are in the repository");
    let mut numbers = vec![0.0; reader.shape(name).expect("it has it").iter().product()];
    reader.read(name, 0, &mut numbers).expect("it reads");
    numbers
}

/// The golden batch of oracle/models.py.
fn batch() -> Batch {
    let expected = Expected::of("models/bert");
    let mut starts = vec![0];
    starts.extend(expected.ids("lengths").iter().scan(0, |end, n| {
        *end += n;
        Some(*end)
    }));
    let labels = expected.labels("labels");
    Batch { ids: expected.ids("ids"), types: expected.ids("types"), starts, labels, teacher: Vec::new() }
}

#[test]
fn both_formats_and_shards_hold_the_model() {
    let want = load(&golden::path("models/bert")).expect("the golden weights read").0;
    let (batch, scores) = (batch(), want.infer(&batch()).expect("its rows can be read"));
    for name in ["zip", "legacy", "sharded"] {
        let (model, notes) = load(&golden::path("pickled").join(name)).expect("it reads");
        assert_eq!(notes, [""; 0], "{name}");
        assert_eq!(model.infer(&batch).expect("its rows can be read"), scores, "{name}");
        assert_eq!(
            model.params.to_vec().expect("its rows can be read"),
            want.params.to_vec().expect("its rows can be read"),
            "{name}"
        );
    }
    let folder = golden::path("pickled/double");
    let (model, notes) = load(&folder).expect("it reads");
    assert_eq!(said(&folder, &notes), ["F/pytorch_model.bin: 39 tensors are F64: rounded to f32"]);
    assert_eq!(
        model.params.to_vec().expect("its rows can be read"),
        want.params.to_vec().expect("its rows can be read")
    );
}

#[test]
fn narrow_weights_are_widened_exactly() {
    for (name, dtype) in [("half", "F16"), ("bfloat16", "BF16")] {
        let folder = golden::path("pickled").join(name);
        let (model, notes) = load(&folder).expect("it reads");
        assert_eq!(
            said(&folder, &notes),
            [
                "F/model.safetensors: read, pytorch_model.bin beside it left alone".to_owned(),
                format!("F/model.safetensors: 39 tensors are {dtype}: widened to f32, which is exact"),
            ]
        );
        let alone = tempfile::tempdir().expect("a scratch folder");
        std::fs::copy(folder.join("pytorch_model.bin"), alone.path().join("pytorch_model.bin")).expect("copying works");
        let (pickled, _) = load(alone.path()).expect("it reads");
        assert_eq!(
            pickled.params.to_vec().expect("its rows can be read"),
            model.params.to_vec().expect("its rows can be read"),
            "{name}"
        );
        let want: Vec<f64> = numbers(&folder.join("expect.safetensors"), "logits").into_iter().map(f64::from).collect();
        assert_close(name, &model.infer(&batch()).expect("its rows can be read"), &want, 2.0, 45);
        // Weights that were not narrowed have other scores.
        let whole =
            load(&golden::path("models/bert")).expect("it reads").0.infer(&batch()).expect("its rows can be read");
        assert!(whole.iter().zip(&want).any(|(a, b)| (f64::from(*a) - b).abs() > 1e-4));
    }
}

#[test]
fn what_a_training_script_leaves_is_read_and_said() {
    let folder = golden::path("pickled/training");
    let (model, notes) = load(&folder).expect("it reads");
    assert_eq!(
        said(&folder, &notes),
        [
            "F/pytorch_model.bin: the weights are read from the dictionary under `state_dict`",
            "F/pytorch_model.bin: `module.cls.predictions.decoder.weight` is taken for `bert.embeddings.word_embeddings.weight`, which it was tied to",
            "F/pytorch_model.bin: read as if nothing stood before the name: `module.bert.embeddings.LayerNorm.beta` and 40 more",
            "F/pytorch_model.bin: left out, parts of heads for other tasks: `module.bert.embeddings.position_ids` and 1 more",
        ]
    );
    let want = load(&golden::path("models/bert")).expect("it reads").0;
    assert_eq!(
        model.params.to_vec().expect("its rows can be read"),
        want.params.to_vec().expect("its rows can be read")
    );
    assert_eq!(
        model.infer(&batch()).expect("its rows can be read"),
        want.infer(&batch()).expect("its rows can be read")
    );
}

#[test]
fn rows_of_a_pickled_table_come_from_the_open_file() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let file = scratch.path().join("pytorch_model.bin");
    for name in ["zip", "legacy"] {
        std::fs::copy(golden::path("pickled").join(name).join("pytorch_model.bin"), &file).expect("copying works");
        let model = load(scratch.path()).expect("it reads").0;
        let table = || model.params.table(model.layout.encoder.words()).bytes();
        let unread = table();
        let scores = model.infer(&batch()).expect("its rows can be read");
        let distinct: std::collections::BTreeSet<u32> = batch().ids.into_iter().collect();
        assert_eq!(table() - unread, 4 * distinct.len() * model.config.shape.embedding_size);
        let model = load(scratch.path()).expect("it reads").0;
        std::fs::remove_file(&file).expect("removing works");
        assert_eq!(model.infer(&batch()).expect("its rows can be read"), scores);
    }
}

const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";

/// What is said of a file of the older format whose tensors are this pickle.
fn refused(pickle: &[u8]) -> String {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let file = scratch.path().join("pytorch_model.bin");
    std::fs::write(&file, [LEGACY, pickle, b"\x80\x02]."].concat()).expect("writing works");
    let error = Reader::open(&file).expect_err("it is hostile").to_string();
    assert!(!error.contains('\n') && error.len() < 400, "{error}");
    error.replace(&file.display().to_string(), "F")
}

/// A tensor `w` of these sizes, strides and offset over `len` floats; BININT numbers.
fn tensor(len: i32, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    let int = |n: i32| [b"J", &n.to_le_bytes()[..]].concat();
    let tuple =
        |numbers: &[i32]| [b"(".to_vec(), numbers.iter().flat_map(|n| int(*n)).collect(), b"t".to_vec()].concat();
    [
        b"\x80\x02}\x8c\x01wctorch._utils\n_rebuild_tensor_v2\n((\x8c\x07storagectorch\nFloatStorage\n\x8c\x010\x8c\x03cpu".to_vec(),
        int(len),
        b"tQ".to_vec(),
        int(offset),
        tuple(shape),
        tuple(strides),
        b"\x89ccollections\nOrderedDict\n)RtRs.".to_vec(),
    ]
    .concat()
}

#[test]
fn a_pickle_that_asks_for_more_than_tensors_is_refused_by_name() {
    for (pickle, name) in [
        (&b"cos\nsystem\n\x8c\x02id\x85R."[..], "os.system"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93\x8c\x01x\x85R.", "builtins.exec"),
        (b"c__builtin__\neval\n.", "__builtin__.eval"),
        (b"cnumpy.core.multiarray\nscalar\n.", "numpy.core.multiarray.scalar"),
        (b"ctorch\nload\n.", "torch.load"),
        (b"ctorch._utils\n_rebuild_sparse_tensor\n.", "torch._utils._rebuild_sparse_tensor"),
        (b"ctorch\nQInt8Storage\n.", "torch.QInt8Storage"),
        (b"ccollections\nOrderedDict\n0cposix\nsystem\n.", "posix.system"),
        (b"c\x1b[31m\nred\n.", "\\u{1b}[31m.red"),
    ] {
        let want = format!(
            "F: holds a pickle that is refused (it asks for Python's `{name}`, which is neither a tensor nor a dictionary: nothing of it was executed): save the model with `save_pretrained`, which writes safetensors"
        );
        assert_eq!(refused(pickle), want);
    }
    let long = refused(&[b"c", &b"m".repeat(1 << 20)[..], b"\nf\n."].concat());
    assert!(long.len() < 300, "{long}");
}

#[test]
fn a_damaged_or_endless_pickle_is_refused() {
    let nested = |with: &[u8]| [b"\x80\x02)", &with.repeat(1_000_000)[..], b"."].concat();
    let cases: [(Vec<u8>, &str); 22] = [
        // Calls, objects and extensions by other opcodes than a name's.
        (b"(i__main__\nx\n.".to_vec(), "opcode 0x69"),
        (b"\x82\x01.".to_vec(), "opcode 0x82"),
        (b"}}\x81.".to_vec(), "opcode 0x81"),
        (b"Pid\n.".to_vec(), "opcode 0x50"),
        (b"ccollections\nOrderedDict\n)R}b)b.".to_vec(), "a state for something that is not a dictionary"),
        (b"ccollections\nOrderedDict\n\x8c\x01xR.".to_vec(), "a call without a tuple"),
        (b"ctorch\nFloatStorage\n)R.".to_vec(), "makes neither a tensor"),
        // Its own stack and memo.
        (b"0.".to_vec(), "more from its stack"),
        (b"N(0.".to_vec(), "more from its stack"),
        (b"t.".to_vec(), "a mark from its stack"),
        (b"h\x05.".to_vec(), "never remembered"),
        (b"q\x05.".to_vec(), "where there is nothing"),
        (b"X\xff\xff\xff\x7fx".to_vec(), "ends too early"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffx".to_vec(), "ends too early"),
        (b"\x80\x09N.".to_vec(), "protocol 9"),
        (b"\x8a\x09123456789.".to_vec(), "a number of 9 bytes"),
        // Depth costs nothing, nor does a dictionary that holds itself; length has a bound.
        (nested(b"\x85"), "no dictionary of tensors"),
        (nested(b"("), "more from its stack"),
        (b"}q\x00\x8c\x01ah\x00s.".to_vec(), "no dictionary of tensors"),
        (b"N0".repeat(2_000_000), "more than 2097152 steps"),
        (b"}.".to_vec(), "no dictionary of tensors"),
        (b"N.".to_vec(), "no dictionary of tensors"),
    ];
    for (pickle, want) in cases {
        let error = refused(&pickle);
        assert!(error.contains(want), "{want}: {error}");
    }
    // Each list holds the one before it twice: 2^500,000 values if anybody walked through them.
    let laughs = [&b"]"[..], &b"q\x00]h\x00ah\x00a"[..].repeat(300_000), b"."].concat();
    assert!(refused(&laughs).contains("no dictionary of tensors"));
}

#[test]
fn a_tensor_outside_its_numbers_is_refused() {
    let outside = "a tensor that does not lie inside its storage";
    for (len, offset, shape, strides) in [
        (4, 0, &[5][..], &[1][..]),
        (4, 4, &[1], &[1]),
        (4, -1, &[2], &[1]),
        (4, 0, &[2, -2], &[2, 1]),
        (4, 0, &[2, 2], &[3, 1]),
        (4, 0, &[2, 2], &[2, -1]),
        (4, 0, &[2, 2], &[2]),
        (4, 0, &[i32::MAX, i32::MAX, i32::MAX], &[0, 0, 0]),
        (i32::MAX, 0, &[2, 2, 2], &[i32::MAX, i32::MAX, i32::MAX]),
        (4, 0, &[1; 9], &[1; 9]),
        // Nothing to read, but from where it would overflow.
        (4, i32::MAX, &[0], &[1]),
    ] {
        let error = refused(&tensor(len, offset, shape, strides));
        assert!(error.contains(outside), "{shape:?} {strides:?}: {error}");
    }
    // Inside, but of a storage that the file does not have.
    assert!(refused(&tensor(4, 0, &[2, 2], &[2, 1])).contains("the numbers of `w` are missing"));
}

/// A whole file of the older format with one tensor of four numbers.
fn four_numbers(shape: &[i32], strides: &[i32]) -> (tempfile::TempDir, Reader) {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let file = scratch.path().join("weights.bin");
    let numbers: Vec<u8> = [1f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let keys = b"\x80\x02]\x8c\x010a.";
    let bytes = [LEGACY, &tensor(4, 0, shape, strides), keys, &4u64.to_le_bytes(), &numbers].concat();
    std::fs::write(&file, bytes).expect("writing works");
    let reader = Reader::open(&file).expect("it is whole");
    (scratch, reader)
}

#[test]
fn strides_are_followed_and_gaps_refused() {
    for (shape, strides, want) in [
        (&[2, 2][..], &[2, 1][..], [1.0, 2.0, 3.0, 4.0]),
        (&[2, 2], &[1, 2], [1.0, 3.0, 2.0, 4.0]),
        (&[4, 1], &[1, 9], [1.0, 2.0, 3.0, 4.0]),
        (&[1, 2, 2], &[0, 1, 2], [1.0, 3.0, 2.0, 4.0]),
    ] {
        let (_scratch, reader) = four_numbers(shape, strides);
        let mut got = [0.0; 4];
        reader.read("w", 0, &mut got).expect("it reads");
        assert_eq!(got, want, "{strides:?}");
        reader.read("w", 1, &mut got[..2]).expect("it reads");
        assert_eq!(got[..2], want[1..3], "{strides:?}");
    }
    for (shape, strides) in [(&[2][..], &[2][..]), (&[8], &[0]), (&[2, 2], &[1, 1])] {
        let (_scratch, reader) = four_numbers(shape, strides);
        let mut got = vec![0.0; reader.shape("w").expect("it has it").iter().product()];
        let error = reader.read("w", 0, &mut got).expect_err("it is not a tensor of its own").to_string();
        assert!(error.contains("`w` is a view with gaps or repetitions"), "{error}");
    }
}

#[test]
fn an_archive_that_is_packed_cut_or_crowded_is_refused() {
    let good =
        std::fs::read(golden::path("pickled/zip/pytorch_model.bin")).expect("golden files are in the repository");
    let places =
        |of: &[u8]| -> Vec<usize> { (0..good.len() - of.len()).filter(|&i| good[i..].starts_with(of)).collect() };
    let changed = |change: &dyn Fn(&mut Vec<u8>)| -> String {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let file = scratch.path().join("pytorch_model.bin");
        let mut bytes = good.clone();
        change(&mut bytes);
        std::fs::write(&file, bytes).expect("writing works");
        let error = Reader::open(&file).expect_err("it is damaged").to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    };
    let directory = places(b"PK\x01\x02");
    let packed = changed(&|bytes| directory.iter().for_each(|at| bytes[at + 10] = 8));
    assert!(packed.contains("is packed, which `torch.save` never does"), "{packed}");
    let sizes = changed(&|bytes| directory.iter().for_each(|at| bytes[at + 24..at + 28].fill(0x77)));
    assert!(sizes.contains("is packed") || sizes.contains("ends beyond the file"), "{sizes}");
    let big = changed(&|bytes| {
        let at = places(b"little")[0];
        bytes[at..at + 6].copy_from_slice(b"bigger");
    });
    assert!(big.contains("not written little end first"), "{big}");
    let cut = changed(&|bytes| bytes.truncate(bytes.len() / 2));
    assert!(cut.contains("is not a whole file of `torch.save`"), "{cut}");
    let gone = changed(&|bytes| places(b"data/3").iter().for_each(|at| bytes[at + 5] = b'x'));
    assert!(gone.contains("the archive has no `data/3`"), "{gone}");
    assert!(changed(&|bytes| *bytes = b"hello".to_vec()).contains("is not a file of `torch.save`"));
    assert!(changed(&|bytes| bytes.clear()).contains("is not a file of `torch.save`"));
    assert!(
        changed(&|bytes| *bytes = b"\x80\x04N.".to_vec()).contains("is a pickle, but `torch.save` did not write it")
    );
}

#[test]
fn two_names_of_one_parameter_are_refused() {
    use tagsmith_weights::tensors::{Entry, Values, write};
    let model = load(&golden::path("models/bert")).expect("it reads").0;
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let slots = &model.params.slots;
    let entry = |name: &str, slot: usize| Entry {
        name: name.to_owned().into(),
        shape: slots[slot].shape.clone(),
        values: Values::F32s(Box::new(
            [model.params.copy(tagsmith_kernel::params::SlotId(slot)).map(Into::into)].into_iter(),
        )),
    };
    let mut entries: Vec<Entry<'_>> = (0..slots.len()).map(|slot| entry(&slots[slot].name, slot)).collect();
    entries.push(entry("module.classifier.bias", slots.len() - 1));
    write(&scratch.path().join("model.safetensors"), entries, &[]).expect("writing works");
    let error = load(scratch.path()).expect_err("which of them is meant is not known").to_string();
    assert!(error.ends_with("`classifier.bias` and `module.classifier.bias` are both `classifier.bias`"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is changed where the tensors are described, the file reads or is refused.
    #[test]
    fn mutated_files_never_panic(
        which in 0..3usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<u8>()), 1..5),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let name = ["pickled/zip/pytorch_model.bin", "pickled/legacy/pytorch_model.bin", "models/bert/model.safetensors"][which];
        let mut bytes = std::fs::read(golden::path(name)).expect("golden files are in the repository");
        let described = 7000;
        for (at, end, byte) in changes {
            let at = at.index(described);
            let at = if end { bytes.len() - 1 - at } else { at };
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let file = scratch.path().join(Path::new(name).file_name().expect("it is a file"));
        std::fs::write(&file, &bytes).expect("writing works");
        match Reader::open(&file) {
            Err(error) => prop_assert!(!error.to_string().contains('\n')),
            Ok(reader) => {
                for name in reader.names() {
                    let count: usize = reader.shape(&name).expect("it has it").iter().product();
                    // As many as a model could ask for.
                    if count < 100_000 {
                        _ = reader.read(&name, 0, &mut vec![0.0; count]);
                    }
                }
            }
        }
    }
}
