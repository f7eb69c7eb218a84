//! What an option of `tagsmith train` is: its value, its default, and what becomes of it.

/// Why no option, and no file, can choose anything else to compute on.
pub const NO_DEVICE: &str =
    "this version computes on the processor or on an NVIDIA GPU, one device a process: `--device` says which";

/// The option that chooses what to compute on.
pub const DEVICE: &str = "device";

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// true or false; `--name` alone is true.
    Flag,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// Any text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One or more words.
    List,
    /// A JSON object, or a file that holds one.
    Dict,
}

/// What becomes of an option that is used.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It does what it says.
    Works,
    /// It is accepted because it cannot change a result here; the text says why.
    NoEffect,
    /// It is the old name of another option, which takes the same value.
    Renamed(&'static str),
    /// It is said by other options now.
    Translated(Translation),
    /// Any value but the default is refused; the text says why.
    Refused,
    /// It asks for a processor or a GPU, which `--device` does now. What it cannot say is refused.
    Device(DeviceOf),
    /// It asks for other devices that compute, and is refused; these values ask for none and change nothing.
    Devices(&'static [&'static str]),
}

/// From a value, as typed, to what `--device` calls the device; none where it has no word for that.
pub type DeviceOf = fn(&str) -> Option<String>;

/// From a value, as typed, to the names and values of the options that say it now; none for a value that they
/// cannot say.
pub type Translation = fn(&str) -> Option<Vec<(&'static str, String)>>;

/// Who knows the option. An abbreviation is looked up in one vocabulary after the other, so that what is unique
/// to run_ner.py stays unique here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vocabulary {
    /// run_ner.py with transformers 5.
    New,
    /// run_ner.py with transformers 4 and before.
    Old,
    /// run_ner_no_trainer.py and this program's own.
    Beyond,
}

/// Where `--help` lists the option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Needed,
    Data,
    Training,
    Saving,
    Reporting,
    OtherNames,
    NoEffect,
    Refused,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// The name, with underscores.
    pub name: &'static str,
    pub kind: Kind,
    /// The value as one would type it; none when there is no value.
    pub default: Option<&'static str>,
    pub vocabulary: Vocabulary,
    pub fate: Fate,
    pub group: Group,
    /// One line: what it does, or why it is refused or without effect.
    pub text: &'static str,
}

impl Opt {
    const fn new(name: &'static str, kind: Kind, default: Option<&'static str>) -> Opt {
        let (vocabulary, fate, group) = (Vocabulary::New, Fate::Works, Group::Needed);
        Opt { name, kind, default, vocabulary, fate, group, text: "" }
    }

    const fn works(self, group: Group, text: &'static str) -> Opt {
        Opt { group, text, ..self }
    }

    pub const fn needed(self, text: &'static str) -> Opt {
        self.works(Group::Needed, text)
    }

    pub const fn data(self, text: &'static str) -> Opt {
        self.works(Group::Data, text)
    }

    pub const fn training(self, text: &'static str) -> Opt {
        self.works(Group::Training, text)
    }

    pub const fn saving(self, text: &'static str) -> Opt {
        self.works(Group::Saving, text)
    }

    pub const fn reporting(self, text: &'static str) -> Opt {
        self.works(Group::Reporting, text)
    }

    pub const fn no_effect(self, text: &'static str) -> Opt {
        Opt { fate: Fate::NoEffect, group: Group::NoEffect, text, ..self }
    }

    pub const fn refused(self, text: &'static str) -> Opt {
        Opt { fate: Fate::Refused, group: Group::Refused, text, ..self }
    }

    /// Another way of saying what `--device` says.
    pub const fn device(self, into: DeviceOf) -> Opt {
        Opt { fate: Fate::Device(into), group: Group::OtherNames, text: DEVICE, ..self }
    }

    /// A way of asking for devices that do not compute here. The values of `without` ask for none.
    pub const fn devices(self, without: &'static [&'static str]) -> Opt {
        Opt { fate: Fate::Devices(without), group: Group::Refused, text: NO_DEVICE, ..self }
    }

    pub const fn renamed(self, to: &'static str) -> Opt {
        Opt { fate: Fate::Renamed(to), group: Group::OtherNames, text: to, ..self }
    }

    pub const fn translated(self, into: Translation, text: &'static str) -> Opt {
        Opt { fate: Fate::Translated(into), group: Group::OtherNames, text, ..self }
    }

    /// transformers 4 knew it, transformers 5 does not.
    pub const fn old(self) -> Opt {
        Opt { vocabulary: Vocabulary::Old, ..self }
    }

    /// run_ner.py never knew it.
    pub const fn beyond(self) -> Opt {
        Opt { vocabulary: Vocabulary::Beyond, ..self }
    }

    /// Whether it has a twin `--no_name`, as every flag has whose default is true.
    pub fn has_twin(&self) -> bool {
        self.kind == Kind::Flag && self.default == Some("true")
    }
}

/// A flag that is off unless given.
pub const fn flag(name: &'static str) -> Opt {
    Opt::new(name, Kind::Flag, Some("false"))
}

/// A flag that is on unless `--no_name` is given.
pub const fn flag_on(name: &'static str) -> Opt {
    Opt::new(name, Kind::Flag, Some("true"))
}

/// A flag whose absence means something else than its two values.
pub const fn flag_unset(name: &'static str) -> Opt {
    Opt::new(name, Kind::Flag, None)
}

pub const fn int(name: &'static str, default: &'static str) -> Opt {
    Opt::new(name, Kind::Int, Some(default))
}

pub const fn int_unset(name: &'static str) -> Opt {
    Opt::new(name, Kind::Int, None)
}

pub const fn float(name: &'static str, default: &'static str) -> Opt {
    Opt::new(name, Kind::Float, Some(default))
}

pub const fn float_unset(name: &'static str) -> Opt {
    Opt::new(name, Kind::Float, None)
}

pub const fn text(name: &'static str, default: &'static str) -> Opt {
    Opt::new(name, Kind::Text, Some(default))
}

pub const fn text_unset(name: &'static str) -> Opt {
    Opt::new(name, Kind::Text, None)
}

pub const fn choice(name: &'static str, among: &'static [&'static str], default: &'static str) -> Opt {
    Opt::new(name, Kind::Choice(among), Some(default))
}

pub const fn choice_unset(name: &'static str, among: &'static [&'static str]) -> Opt {
    Opt::new(name, Kind::Choice(among), None)
}

pub const fn list(name: &'static str) -> Opt {
    Opt::new(name, Kind::List, None)
}

pub const fn dict(name: &'static str) -> Opt {
    Opt::new(name, Kind::Dict, None)
}
