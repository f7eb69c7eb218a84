//! What the user can do about an error or a note, as data.

use serde::{Deserialize, Serialize};

/// Declares the settings and the list of all of them.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A choice that the user can make. Each is named after the option of `tagsmith train` that makes it, or after
        /// the option of another command where training has none.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Setting {
            $($(#[$doc])* $name,)*
        }

        impl Setting {
            /// All settings, in the order of the variants.
            pub const ALL: &[Setting] = &[$(Setting::$name),*];
        }
    };
}

settings! {
    // Tagging.
    /// Where a model runs: on the processor, or on a GPU.
    Device,
    /// The folder with NVIDIA's libraries.
    CudaLibraries,
    /// The way in which pieces become entities.
    AggregationStrategy,
    /// How a token classifier's words get labels, or which entities of a span tagger may share pieces.
    Decoding,
    /// The named biases of decoding.
    OperatingPoint,
    /// What scores are divided by before they become probabilities.
    Temperature,
    /// The probability below which a tagger abstains.
    AbstainBelow,

    // Data.
    /// Leave to train on data that teach nothing: one label, or sentences of one word.
    AllowDegenerateData,
    /// The memory for sentences.
    DataMemory,
    /// The configuration of the data set.
    DatasetConfigName,
    /// The data set: a folder, or a name on the hub.
    DatasetName,
    /// The branch, tag or commit of a data set on the hub.
    DatasetRevision,
    /// The column of the gold labels, where two columns are compared.
    GoldColumn,
    /// The format of the file with the gold labels.
    GoldFormat,
    /// The format of documents to tag.
    InputFormat,
    /// The column of the labels.
    LabelColumn,
    /// Labels that are types alone.
    BareTags,
    /// How tags are read: the scheme.
    LabelScheme,
    /// The labels: a file that lists them, or the labels that a span tagger looks for.
    Labels,
    /// The column of the predicted labels, where two columns are compared.
    PredColumn,
    /// The format of the file with the predicted labels.
    PredFormat,
    /// The seed that the training split is shuffled with.
    ShuffleSeed,
    /// Tags that end in their letter.
    Suffix,
    /// What the labels are of.
    Task,
    /// The file to predict.
    TestFile,
    /// The column of the words.
    TextColumn,
    /// The file to learn from.
    TrainFile,
    /// The file to evaluate.
    ValidationFile,
    /// The part of the training split that is held out.
    ValidationSize,

    // Learning.
    /// Sentences of a batch.
    BatchSize,
    /// Sub-tokens that are computed at once.
    BatchTokens,
    /// Evaluation after training.
    DoEval,
    /// Training at all.
    DoTrain,
    /// Whether an epoch's last, smaller batch is left out.
    DropLast,
    /// How often the model is evaluated.
    EvalStrategy,
    /// Parameters that do not learn.
    Freeze,
    /// Activations computed again instead of kept.
    GradientCheckpointing,
    /// What makes labels of a classifier's scores.
    Head,
    /// Leave to give the rows of a head other labels.
    IgnoreMismatchedLabels,
    /// Leave to replace a head of another size.
    IgnoreMismatchedSizes,
    /// The highest learning rate.
    LearningRate,
    /// The weight of the label `O` in the loss.
    OutsideWeight,
    /// The longest sequence or window in pieces.
    MaxSeqLength,
    /// The metric that chooses the best model.
    Metric,
    /// The checkpoint to go on from.
    Resume,
    /// Steps between checkpoints.
    SaveSteps,
    /// How often checkpoints are saved.
    SaveStrategy,
    /// Steps in which the learning rate rises.
    WarmupSteps,

    // Scores.
    /// The share of resamples inside an interval.
    Confidence,
    /// The training data, whose mentions are those that were seen.
    KnownFile,
    /// A departure from this program's own way of counting.
    Parity,
    /// What chance draws: sentences or documents.
    Unit,
    /// What the entities of an evaluated span tagger count: code points or words.
    EvaluationFormat,
    /// What is scored.
    Mode,
    /// The lowest score of an entity.
    Threshold,
    /// What a ratio without a denominator counts as.
    ZeroDivision,

    // Output.
    /// What is mended of the data.
    Fix,
    /// The file to write.
    Output,
    /// The folder to write to.
    OutputDir,
    /// The format of tagged documents.
    OutputFormat,
    /// Leave to write over another run.
    OverwriteOutput,

    // The hub.
    /// The repository that the finished model goes to.
    HubModelId,
    /// The token for uploads.
    HubToken,
    /// The branch, tag or commit of a model on the hub.
    ModelRevision,
    /// The upload of the finished model.
    PushToHub,
    /// The token for downloads.
    Token,

    // The machine.
    /// Threads that compute.
    Threads,
}

/// What the user can do. A rim turns it into a clause that follows the error: ``: pass `--label_column_name` ``.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remedy {
    /// Give one of these settings a value.
    Set(Vec<Setting>),
    /// Give this setting this value.
    SetTo(Setting, String),
    /// Leave this setting out.
    Unset(Setting),
    /// Do something else, as an imperative clause that names no option.
    Do(String),
    /// Do one of these.
    AnyOf(Vec<Remedy>),
    /// Do all of these.
    AllOf(Vec<Remedy>),
    /// Do this for a purpose or in a way: `to draw a new head`, `with a smaller number`.
    For(Box<Remedy>, String),
}

impl Remedy {
    /// Returns the remedy of giving `setting` a value.
    pub fn set(setting: Setting) -> Remedy {
        Remedy::Set(vec![setting])
    }

    /// Returns the remedy of doing what `clause` says, which names no option.
    pub fn to_do(clause: impl Into<String>) -> Remedy {
        Remedy::Do(clause.into())
    }

    /// Returns the remedy with its purpose or its way: `to draw a new head`, `with a smaller number`.
    #[must_use]
    pub fn so_as(self, purpose: impl Into<String>) -> Remedy {
        Remedy::For(Box::new(self), purpose.into())
    }

    /// Returns the remedy with another setting in the place of `from`, for a caller that calls it differently.
    #[must_use]
    pub fn with_setting(self, from: Setting, to: Setting) -> Remedy {
        let other = |setting: Setting| if setting == from { to } else { setting };
        let all = |remedies: Vec<Remedy>| remedies.into_iter().map(|remedy| remedy.with_setting(from, to)).collect();
        match self {
            Remedy::Set(settings) => Remedy::Set(settings.into_iter().map(other).collect()),
            Remedy::SetTo(setting, value) => Remedy::SetTo(other(setting), value),
            Remedy::Unset(setting) => Remedy::Unset(other(setting)),
            Remedy::Do(clause) => Remedy::Do(clause),
            Remedy::AnyOf(remedies) => Remedy::AnyOf(all(remedies)),
            Remedy::AllOf(remedies) => Remedy::AllOf(all(remedies)),
            Remedy::For(remedy, purpose) => Remedy::For(Box::new(remedy.with_setting(from, to)), purpose),
        }
    }

    /// Returns the part of the remedy that needs no setting but those that a caller has; none where nothing is left.
    #[must_use]
    pub fn within(&self, has: &dyn Fn(Setting) -> bool) -> Option<Remedy> {
        let those = |remedies: &[Remedy]| remedies.iter().map(|remedy| remedy.within(has)).collect::<Vec<_>>();
        Some(match self {
            Remedy::Set(settings) => {
                let settings: Vec<Setting> = settings.iter().copied().filter(|&setting| has(setting)).collect();
                if settings.is_empty() {
                    return None;
                }
                Remedy::Set(settings)
            }
            Remedy::SetTo(setting, _) | Remedy::Unset(setting) if !has(*setting) => return None,
            Remedy::SetTo(..) | Remedy::Unset(_) | Remedy::Do(_) => self.clone(),
            Remedy::AnyOf(remedies) => {
                let left: Vec<Remedy> = those(remedies).into_iter().flatten().collect();
                if left.is_empty() {
                    return None;
                }
                Remedy::AnyOf(left)
            }
            Remedy::AllOf(remedies) => Remedy::AllOf(those(remedies).into_iter().collect::<Option<_>>()?),
            Remedy::For(remedy, purpose) => Remedy::For(Box::new(remedy.within(has)?), purpose.clone()),
        })
    }

    /// Returns the remedy as a clause. `spell` writes a setting, with a value where there is one, as the rim calls it.
    pub fn clause(&self, spell: &dyn Fn(Setting, Option<&str>) -> String) -> String {
        match self {
            Remedy::Set(settings) => {
                let spelled: Vec<String> = settings.iter().map(|&setting| spell(setting, None)).collect();
                format!("pass {}", either(&spelled))
            }
            Remedy::SetTo(setting, value) => format!("pass {}", spell(*setting, Some(value))),
            Remedy::Unset(setting) => format!("leave out {}", spell(*setting, None)),
            Remedy::Do(clause) => clause.clone(),
            Remedy::AnyOf(remedies) => clauses(remedies, spell).join(", or "),
            Remedy::AllOf(remedies) => clauses(remedies, spell).join(", and "),
            Remedy::For(remedy, purpose) => format!("{} {purpose}", remedy.clause(spell)),
        }
    }
}

fn clauses(remedies: &[Remedy], spell: &dyn Fn(Setting, Option<&str>) -> String) -> Vec<String> {
    remedies.iter().map(|remedy| remedy.clause(spell)).collect()
}

/// Returns `a`, `a or b`, `a, b or c`.
fn either(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_is_a_clause_in_the_words_of_the_rim() {
        let spell = |setting: Setting, value: Option<&str>| match value {
            None => format!("<{setting:?}>"),
            Some(value) => format!("<{setting:?}={value}>"),
        };
        let both = Remedy::Set(vec![Setting::TextColumn, Setting::LabelColumn]);
        let clauses = [
            (Remedy::set(Setting::LabelColumn), "pass <LabelColumn>"),
            (both.clone(), "pass <TextColumn> or <LabelColumn>"),
            (Remedy::SetTo(Setting::TextColumn, "1".into()), "pass <TextColumn=1>"),
            (Remedy::Unset(Setting::TextColumn), "leave out <TextColumn>"),
            (Remedy::to_do("split the file").so_as("to read it"), "split the file to read it"),
            (
                Remedy::AllOf(vec![Remedy::to_do("rename it"), Remedy::Unset(Setting::TextColumn)]),
                "rename it, and leave out <TextColumn>",
            ),
            (
                Remedy::set(Setting::LabelColumn)
                    .so_as("to name it")
                    .with_setting(Setting::LabelColumn, Setting::GoldColumn),
                "pass <GoldColumn> to name it",
            ),
            (Remedy::AnyOf(vec![Remedy::to_do("rename it"), both]), "rename it, or pass <TextColumn> or <LabelColumn>"),
        ];
        for (remedy, clause) in clauses {
            assert_eq!(remedy.clause(&spell), clause);
        }
    }

    #[test]
    fn what_a_caller_does_not_have_is_left_out() {
        let has = |setting| setting != Setting::Threshold;
        let other = Remedy::set(Setting::Threshold).so_as("to see more");
        let both = Remedy::Set(vec![Setting::Threshold, Setting::Labels]);
        let rest = Remedy::set(Setting::Labels);
        assert_eq!(other.within(&has), None);
        assert_eq!(both.within(&has), Some(rest.clone()));
        assert_eq!(Remedy::Unset(Setting::Threshold).within(&has), None);
        assert_eq!(Remedy::SetTo(Setting::Threshold, "1".into()).within(&has), None);
        let any = |remedies: &[&Remedy]| Remedy::AnyOf(remedies.iter().map(|&remedy| remedy.clone()).collect());
        assert_eq!(any(&[&other, &both]).within(&has), Some(any(&[&rest])));
        assert_eq!(any(&[&other]).within(&has), None);
        assert_eq!(Remedy::AllOf(vec![other, rest.clone()]).within(&has), None);
        assert_eq!(Remedy::AllOf(vec![rest.clone()]).within(&has), Some(Remedy::AllOf(vec![rest])));
    }
}
