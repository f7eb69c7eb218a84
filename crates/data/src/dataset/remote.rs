//! Data sets on the hub: which of a repository's files are data, and which of those are needed.

use crate::dataset::layout::{Layout, read_card, read_layout};
use crate::dataset::saved::saved_splits;
use crate::dataset::split_names::SPLITS;
use crate::dataset::{card, files};
use crate::error::Error;
use crate::read_options::ReadOptions;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tagsmith_hub::{Hub, Listing, MAIN, Repo, Snapshot};
use tagsmith_message::Note;
use tagsmith_text::sentence::Split;

/// Where the hub keeps what it made of a data set: `<configuration>/<split>/0000.parquet`.
const CONVERSION: &str = "refs/convert/parquet";

/// The beginning of a split's folder there when only its first gigabytes were converted.
const PARTIAL: &str = "partial-";

/// Names from before data sets had owners, as tutorials have them, and the repositories they became. The hub leads from
/// one to the other by itself; a mirror or a cache does not. Most are programs that download from elsewhere, often an
/// address that is gone. What can be read is the hub's conversion to Parquet, which has the program's features and
/// label names.
const OLD_NAMES: [(&str, &str); 11] = [
    ("conll2000", "eriktks/conll2000"),
    ("conll2002", "eriktks/conll2002"),
    ("conll2003", "eriktks/conll2003"),
    ("germeval_14", "GermanEval/germeval_14"),
    ("jnlpba", "jnlpba/jnlpba"),
    ("masakhaner", "masakhane/masakhaner"),
    ("ncbi_disease", "ncbi/ncbi_disease"),
    ("polyglot_ner", "rmyeid/polyglot_ner"),
    ("universal_dependencies", "universal-dependencies/universal_dependencies"),
    ("wikiann", "unimelb-nlp/wikiann"),
    ("wnut_17", "leondz/wnut_17"),
];

/// Reads a data set of the hub. What is not needed is not downloaded, and no program is run.
pub(super) fn load(
    hub: &Hub,
    mut repo: Repo,
    config_name: Option<&str>,
    revision: Option<&str>,
    options: &ReadOptions,
) -> Result<BTreeMap<String, Split>, Error> {
    if let Some((old, new)) = OLD_NAMES.iter().find(|(old, _)| *old == repo.id) {
        hub.say(format!("the data set `{old}` is `{new}` now"));
        repo.id = (*new).to_owned();
    }
    let mut snapshot = hub.snapshot(&repo, revision.unwrap_or(MAIN), has_data)?;
    let mut converted = revision == Some(CONVERSION);
    if let Some(program) = program(&snapshot).filter(|_| revision.is_none()) {
        // So that the next look-up without a connection finds the program again, and goes on from it.
        hub.ensure(&snapshot, [])?;
        snapshot = converted_by_hub(hub, &repo, &program)?;
        converted = true;
    }
    let place = repo.id.as_str();
    if snapshot.listing.has("dataset_dict.json") && config_name.is_none() {
        let files = snapshot.listing.paths().filter(|file| is_saved(file));
        hub.ensure(&snapshot, files)?;
        return saved_splits(&snapshot.folder(), options);
    }
    let files = files::data_files_of(snapshot.listing.paths());
    let mut layout = if converted {
        conversion(place, &files, config_name)?
    } else {
        hub.ensure(&snapshot, ["README.md"].into_iter().filter(|card| snapshot.listing.has(card)))?;
        let card = read_card(&snapshot.folder().join("README.md"))?;
        Layout::new(place, &files, card.as_deref(), config_name)?
    };
    leave_out_others(hub, place, &mut layout)?;
    let needed: Vec<String> =
        layout.of_split.values().flatten().map(|file| file.to_string_lossy().into_owned()).collect();
    hub.ensure(&snapshot, needed.iter().map(String::as_str))?;
    if !snapshot.listing.is_confirmed() {
        hub.warn(format!("{place}: the cache does not say which files there are: those in it are taken for all"));
    }
    read_layout(&snapshot.folder(), layout, options)
}

/// What the hub made of a program's data.
fn converted_by_hub(hub: &Hub, repo: &Repo, program: &str) -> Result<Snapshot, Error> {
    match hub.snapshot_if_any(repo, CONVERSION, has_data)? {
        Some(snapshot) => {
            hub.warn(format!(
                "{}: {program} is a program, which is never run: the hub's Parquet conversion of its data is read \
                 ({CONVERSION})",
                repo.id
            ));
            Ok(snapshot)
        }
        None => Err(Error::path(
            &repo.id,
            format!(
                "it is a program ({program}), which is never run, and the hub has no Parquet conversion of its data: \
                 convert it where you trust it (`load_dataset` of datasets 3 with `trust_remote_code=True`, then \
                 `save_to_disk`) and pass the folder, or take a copy of the data set that holds files"
            ),
        )),
    }
}

/// Run scripts look at three splits; the others need not come here.
fn leave_out_others(hub: &Hub, place: &str, layout: &mut Layout) -> Result<(), Error> {
    let all: Vec<String> = layout.of_split.keys().map(|name| format!("`{name}`")).collect();
    layout.of_split.retain(|name, _| {
        let is_needed = SPLITS.contains(&name.as_str());
        if !is_needed {
            hub.warn(format!("{place}: the split `{name}` is not downloaded: only {} are", SPLITS.join(", ")));
        }
        is_needed
    });
    if layout.of_split.is_empty() {
        let problem = format!("it has the splits {}, and none of {}", all.join(", "), SPLITS.join(", "));
        return Err(Error::path(place, format!("{problem}: download its files and pass them by name")));
    }
    Ok(())
}

fn has_data(listing: &Listing) -> bool {
    !files::data_files_of(listing.paths()).is_empty()
}

/// Whether `save_to_disk` wrote this.
fn is_saved(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    ["dataset_dict.json", "dataset_info.json", "state.json"].contains(&name) || name.ends_with(".arrow")
}

/// The program that a data set is, as `datasets` recognizes it: called like the repository; or any, where no data is.
fn program(snapshot: &Snapshot) -> Option<String> {
    let name = snapshot.repo.id.rsplit('/').next().unwrap_or_default();
    let own = format!("{name}.py");
    if snapshot.listing.has(&own) {
        return Some(own);
    }
    let is_program = |file: &&str| file.ends_with(".py") && !file.contains('/');
    snapshot.listing.paths().find(is_program).filter(|_| !has_data(&snapshot.listing)).map(str::to_owned)
}

/// The files of the hub's conversion, whose folders say it all.
fn conversion(place: &str, files: &[PathBuf], config_name: Option<&str>) -> Result<Layout, Error> {
    let mut of_config: BTreeMap<String, BTreeMap<String, Vec<PathBuf>>> = BTreeMap::new();
    let mut partial =
        Note::new("{split was|splits were} converted in part only, as the hub does with large ones").important();
    for file in files {
        let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
        let [config, split, _] = parts.as_slice() else { continue };
        let name = split.strip_prefix(PARTIAL).unwrap_or(split);
        let of_split = of_config.entry(config.clone().into_owned()).or_default();
        of_split.entry(name.to_owned()).or_default().push(file.clone());
    }
    let name = match (config_name, of_config.len()) {
        (Some(name), _) => name.to_owned(),
        (None, 1) => of_config.keys().next().cloned().unwrap_or_default(),
        (None, _) => "default".to_owned(),
    };
    if of_config.is_empty() {
        return Err(files::no_data(Path::new(place)));
    }
    match of_config.remove(&name) {
        Some(of_split) => {
            let in_part =
                |file: &PathBuf| file.iter().nth(1).is_some_and(|split| split.to_string_lossy().starts_with(PARTIAL));
            for (name, _) in of_split.iter().filter(|(_, files)| files.iter().any(in_part)) {
                partial.add(|| name.clone());
            }
            Ok(Layout { of_split, notes: Some(partial).filter(|note| note.count > 0).into_iter().collect() })
        }
        None => Err(card::no_such(config_name, of_config.keys().map(String::as_str), place)),
    }
}
