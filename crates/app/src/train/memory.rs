//! The memory of a run, counted before its first step.

use super::evaluation::rows_at_once;
use super::read::Read;
use crate::error::refusal;
use crate::events::Events;
use crate::machine::memory::of_run;
use crate::options::LearningArgs;
use tagsmith_kernel::Device;
use tagsmith_message::{Remedy, Setting};
use tagsmith_ranks::World;
use tagsmith_tokens::memory::{Work, footprint, on_device};
use tagsmith_tokens::model::Model;
use tagsmith_train::memory::{Footprint, Memory};

/// Says what the run will hold, and refuses a run that holds more than this process may, or more than a GPU has: see
/// [`of_run`].
pub fn check(
    learning: &LearningArgs,
    world: &World,
    (model, device): (&Model, &Device),
    read: &Read,
    events: &mut dyn Events,
) -> anyhow::Result<()> {
    let work = Work {
        examples: &read.to_learn,
        evaluated: &read.to_evaluate,
        waiting: read.waiting(),
        reading: read.reading,
        batch_size: learning.per_device_train_batch_size,
        accumulation: learning.gradient_accumulation_steps,
        batch_tokens: learning.batch_tokens,
        rows_evaluated: rows_at_once(learning),
        gradient_checkpointing: learning.gradient_checkpointing,
        ranks: world.size(),
    };
    for memory in of_run(world, device)? {
        events.say(verdict(memory, model, &work)?);
    }
    Ok(())
}

fn count(memory: Memory, model: &Model, work: &Work) -> Footprint {
    memory.count(|| footprint(model, work), || on_device(model, work))
}

fn verdict(memory: Memory, model: &Model, work: &Work) -> anyhow::Result<String> {
    let footprint = count(memory, model, work);
    match memory.allowed() {
        Some(allowed) if footprint.learning() > allowed => {
            Err(refusal(format!("training takes {footprint}, but {memory}"), remedy(memory, model, work)))
        }
        _ => Ok(memory.tell(&footprint)),
    }
}

/// Returns the first change that makes the run fit, or else all that help.
fn remedy(memory: Memory, model: &Model, work: &Work) -> Remedy {
    let is_allowed = |bytes: u64| memory.allowed().is_none_or(|allowed| bytes <= allowed);
    let fits = |work: Work| is_allowed(count(memory, model, &work).learning());
    let small = Work { batch_size: 1, batch_tokens: work.batch_tokens.map(|_| 1), rows_evaluated: 1, ..*work };
    let lower = || Remedy::Set(vec![Setting::BatchTokens, Setting::BatchSize]).so_as("with a smaller number");
    let checkpoint = || Remedy::set(Setting::GradientCheckpointing);
    // Without the examples that may as well lie in a file.
    let fits_without = |work: Work| {
        let footprint = count(memory, model, &work);
        is_allowed(footprint.learning() - footprint.data.min(work.examples.bytes_of_room()))
    };
    let less_data = || Remedy::set(Setting::DataMemory).so_as("with less, so that more sentences lie in a file");
    if fits(small) {
        lower()
    } else if fits(Work { gradient_checkpointing: true, ..*work }) {
        checkpoint()
    } else if fits(Work { gradient_checkpointing: true, ..small }) {
        Remedy::AllOf(vec![checkpoint(), lower()])
    } else if fits_without(*work) {
        less_data()
    } else if fits_without(Work { gradient_checkpointing: true, ..small }) {
        Remedy::AllOf(vec![checkpoint(), lower(), less_data()])
    } else {
        Remedy::AnyOf(vec![
            Remedy::SetTo(Setting::Freeze, "embeddings".into()),
            Remedy::set(Setting::MaxSeqLength).so_as("with a smaller number"),
            Remedy::to_do("take a smaller model"),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tagsmith_encoder::config::Config;
    use tagsmith_text::align::Example;
    use tagsmith_tokens::examples::Examples;
    use tagsmith_train::memory::size;

    #[test]
    fn what_does_not_fit_is_refused_with_a_remedy_that_helps() {
        let config = json!({
            "model_type": "bert", "vocab_size": 100, "hidden_size": 64, "num_hidden_layers": 8, "num_attention_heads": 4,
            "intermediate_size": 256, "max_position_embeddings": 256, "type_vocab_size": 2, "hidden_act": "gelu",
            "layer_norm_eps": 1e-12, "initializer_range": 0.02, "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1, "pad_token_id": 0,
        });
        let Value::Object(config) = config else { unreachable!("an object was written") };
        let model = Model::new(Config::from_json("config.json".into(), config).unwrap().0, 1);
        let example = Example {
            ids: vec![1; 200],
            types: vec![0; 200],
            labels: vec![0; 200],
            words: vec![None; 200],
            sentence: 0,
        };
        let examples = Examples::in_memory(&vec![example; 20]);
        let work = Work {
            examples: &examples,
            evaluated: &Examples::in_memory(&[]),
            waiting: 0,
            reading: 0,
            batch_size: 8,
            accumulation: 1,
            batch_tokens: Some(4096),
            rows_evaluated: 1024,
            gradient_checkpointing: false,
            ranks: 1,
        };
        let total = |work: Work| footprint(&model, &work).learning();
        let one = Work { batch_tokens: Some(1), ..work };
        let lean = Work { gradient_checkpointing: true, ..one };
        assert!(total(lean) < total(one) && total(one) < total(work));
        assert!(verdict(Memory::Process(None), &model, &work).unwrap().ends_with("does not say how much there is"));
        assert!(verdict(Memory::Process(Some(total(work))), &model, &work).unwrap().starts_with("memory: "));
        let refused = verdict(Memory::Process(Some(total(work) - 1)), &model, &work).unwrap_err();
        let want = format!("but this process may use {}", size(total(work) - 1));
        let message = refused.to_string();
        assert!(message.starts_with("training takes ") && message.ends_with(&want), "{message}");
        let spell = |setting: Setting, _: Option<&str>| format!("{setting:?}");
        let clause = |allowed| remedy(Memory::Process(Some(allowed)), &model, &work).clause(&spell);
        assert_eq!(crate::error::remedy(&refused).unwrap().clause(&spell), clause(total(work) - 1));
        let lower = "pass BatchTokens or BatchSize with a smaller number";
        assert_eq!(clause(total(work) - 1), lower);
        assert_eq!(clause(total(one)), lower);
        assert_eq!(clause(total(one) - 1), format!("pass GradientCheckpointing, and {lower}"));
        assert_eq!(clause(total(lean)), format!("pass GradientCheckpointing, and {lower}"));
        let less = "pass DataMemory with less, so that more sentences lie in a file";
        let data = examples.bytes_of_room();
        assert_eq!(clause(total(lean) - data), format!("pass GradientCheckpointing, and {lower}, and {less}"));
        assert!(clause(total(lean) - data - 1).starts_with("pass Freeze"));
        // A GPU holds no data, and in bf16 half the activations.
        let there = on_device(&model, &work).learning();
        let said = verdict(Memory::Gpu(there), &model, &work).unwrap();
        assert!(said.starts_with("the GPU's memory: ") && said.ends_with(" of the GPU"), "{said}");
        let refused = verdict(Memory::Gpu(there - 1), &model, &work).unwrap_err();
        assert!(
            refused.to_string().ends_with(&format!("but this process may use {} of the GPU", size(there - 1))),
            "{refused}"
        );
        assert_eq!(crate::error::remedy(&refused).unwrap().clause(&spell), lower);
        assert!(remedy(Memory::Gpu(1), &model, &work).clause(&spell).starts_with("pass Freeze"));
        // Where the data are the most of it, they alone are named.
        let many = Examples::in_memory(&vec![examples.get(0).unwrap(); 20_000]);
        let heavy = Work { examples: &many, ..one };
        let without_data = Memory::Process(Some(total(heavy) - many.bytes_of_room()));
        let clause = remedy(without_data, &model, &heavy).clause(&spell);
        assert_eq!(clause, less);
    }
}
