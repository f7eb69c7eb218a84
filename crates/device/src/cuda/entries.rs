//! The kernels of PTX text and their parameters, which the driver does not check.

use crate::launch::Arg;

/// A parameter of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    bytes: usize,
    floating: bool,
}

/// A kernel: its name and its parameters in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) parameters: Vec<Parameter>,
}

impl Parameter {
    /// Returns the parameter of a fundamental type of PTX (PTX ISA, "Fundamental Types"), or nothing for another one.
    fn of(kind: &str) -> Option<Parameter> {
        let bytes = match kind.trim_start_matches(['b', 'u', 's', 'f']) {
            "32" => 4,
            "64" => 8,
            _ => return None,
        };
        Some(Parameter { bytes, floating: kind.starts_with('f') })
    }

    /// Whether an argument is of the parameter's size and kind.
    pub(super) fn takes(self, argument: Arg) -> bool {
        let (bytes, floating) = match argument {
            Arg::Address(_) | Arg::U64(_) => (8, false),
            Arg::I32(_) => (4, false),
            Arg::F32(_) => (4, true),
        };
        (bytes, floating) == (self.bytes, self.floating)
    }
}

/// Returns the bits of an argument, in the low bytes.
pub(super) fn bits(argument: Arg) -> u64 {
    let low = |bytes: [u8; 4]| u64::from_ne_bytes([bytes, [0; 4]].concat().try_into().expect("eight bytes"));
    match argument {
        Arg::Address(value) | Arg::U64(value) => value,
        Arg::I32(value) => low(value.to_ne_bytes()),
        Arg::F32(value) => low(value.to_ne_bytes()),
    }
}

/// Returns the entries of PTX text: `.entry name(` and a list of `.param .type name`, one after a comma.
///
/// # Errors
/// A parameter is of a type that no argument has; a list has no end.
pub(super) fn entries(ptx: &str) -> Result<Vec<Entry>, String> {
    let lines: Vec<&str> = ptx.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let text = lines.join("\n");
    let mut found = Vec::new();
    for after in text.split(".entry").skip(1) {
        let head = after.split('{').next().unwrap_or_default();
        let (name, list) = match head.split_once('(') {
            Some((name, rest)) => {
                let (list, _) =
                    rest.split_once(')').ok_or_else(|| format!("the parameters of `{}` have no end", name.trim()))?;
                (name.trim(), list)
            }
            None => (head.split_whitespace().next().unwrap_or_default(), ""),
        };
        let parameter = |text: &str| {
            let mut words = text.split_whitespace().skip_while(|word| *word != ".param").skip(1);
            let kind = words.next().and_then(|kind| kind.strip_prefix('.'));
            kind.and_then(Parameter::of).ok_or_else(|| format!("`{name}` has a parameter `{}`", text.trim()))
        };
        let parameters = list.split(',').filter(|text| !text.trim().is_empty()).map(parameter);
        found.push(Entry { name: name.to_owned(), parameters: parameters.collect::<Result<_, _>>()? });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTX: &str = "
.version 8.1
.target sm_80
// .entry not_this(
.visible .entry scale(
\t.param .u64 scale_param_0, // the rows
\t.param .u32 scale_param_1,
\t.param .f32 scale_param_2
)
.maxntid 128, 1, 1
{
\tret;
}
.visible .entry nothing()
{
\tret;
}
";

    #[test]
    fn entries_have_the_parameters_of_the_text() {
        let found = entries(PTX).expect("they are read");
        assert_eq!(found.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["scale", "nothing"]);
        let [rows, count, factor] = found[0].parameters[..] else { panic!("{found:?}") };
        assert!(found[1].parameters.is_empty());
        for (argument, taken) in [
            (Arg::Address(1), [true, false, false]),
            (Arg::U64(1), [true, false, false]),
            (Arg::I32(1), [false, true, false]),
            (Arg::F32(1.0), [false, false, true]),
        ] {
            assert_eq!([rows, count, factor].map(|parameter| parameter.takes(argument)), taken, "{argument:?}");
        }
    }

    #[test]
    fn other_parameters_are_told() {
        let text = |kind: &str| format!(".entry f(\n.param {kind} f_param_0\n)\n{{");
        assert!(entries(&text(".u64")).is_ok());
        for kind in [".align 8 .b8", ".u16", ".f16", ".b128", "u64"] {
            assert!(entries(&text(kind)).is_err(), "{kind}");
        }
        assert!(entries(".entry f(.param .u64 a").is_err());
    }

    #[test]
    fn bits_lie_in_the_first_bytes() {
        let first = |argument| bits(argument).to_ne_bytes();
        assert_eq!(first(Arg::I32(-2))[..4], (-2i32).to_ne_bytes());
        assert_eq!(first(Arg::F32(1.5))[..4], 1.5f32.to_ne_bytes());
        assert_eq!(bits(Arg::U64(u64::MAX)), u64::MAX);
    }
}
