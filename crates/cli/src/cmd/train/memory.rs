//! Whether a run fits in memory, said before its first step.

use super::evaluation::rows_at_once;
use super::say;
use crate::args::TrainArgs;
use crate::machine::memory::allowed;
use crate::machine::neighbours;
use anyhow::bail;
use tagsmith_ranks::World;
use tagsmith_text::align::Example;
use tagsmith_tokens::memory::{Work, footprint};
use tagsmith_tokens::model::Model;
use tagsmith_train::memory::size;

/// Says what the run will hold; refuses one that holds more than this process may. Ranks on one machine have equal
/// shares of its memory.
pub fn check(
    args: &TrainArgs,
    world: &World,
    model: &Model,
    examples: &[Example],
    evaluated: &[Example],
) -> anyhow::Result<()> {
    let work = Work {
        examples,
        evaluated,
        batch_size: args.learning.per_device_train_batch_size,
        accumulation: args.learning.gradient_accumulation_steps,
        batch_tokens: args.learning.batch_tokens,
        rows_evaluated: rows_at_once(args),
        gradient_checkpointing: args.learning.gradient_checkpointing,
        ranks: world.size(),
    };
    let here = neighbours::count(world) as u64;
    say(verdict(model, &work, allowed().map(|bytes| bytes / here))?);
    Ok(())
}

fn verdict(model: &Model, work: &Work, allowed: Option<u64>) -> anyhow::Result<String> {
    let footprint = footprint(model, work);
    match allowed {
        None => Ok(format!("memory: {footprint}; the system does not say how much there is")),
        Some(allowed) if footprint.total() <= allowed => {
            Ok(format!("memory: {footprint}; this process may use {}", size(allowed)))
        }
        Some(allowed) => {
            let remedy = remedy(model, work, allowed);
            bail!("training takes {footprint}, but this process may use {}: {remedy}", size(allowed))
        }
    }
}

/// The first option that makes the run fit, where one does.
fn remedy(model: &Model, work: &Work, allowed: u64) -> &'static str {
    let fits = |work: Work| footprint(model, &work).total() <= allowed;
    let small = Work { batch_size: 1, batch_tokens: work.batch_tokens.map(|_| 1), rows_evaluated: 1, ..*work };
    if fits(small) {
        "lower `--batch_tokens` or `--per_device_train_batch_size`"
    } else if fits(Work { gradient_checkpointing: true, ..*work }) {
        "pass `--gradient_checkpointing`"
    } else if fits(Work { gradient_checkpointing: true, ..small }) {
        "pass `--gradient_checkpointing` and lower `--batch_tokens` or `--per_device_train_batch_size`"
    } else {
        "pass `--freeze embeddings`, lower `--max_seq_length`, or take a smaller model"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tagsmith_encoder::config::Config;

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
        let examples = vec![example; 20];
        let work = Work {
            examples: &examples,
            evaluated: &[],
            batch_size: 8,
            accumulation: 1,
            batch_tokens: Some(4096),
            rows_evaluated: 1024,
            gradient_checkpointing: false,
            ranks: 1,
        };
        let total = |work: Work| footprint(&model, &work).total();
        let one = Work { batch_tokens: Some(1), ..work };
        let lean = Work { gradient_checkpointing: true, ..one };
        assert!(total(lean) < total(one) && total(one) < total(work));
        assert!(verdict(&model, &work, None).unwrap().ends_with("does not say how much there is"));
        assert!(verdict(&model, &work, Some(total(work))).unwrap().starts_with("memory: "));
        let refused = verdict(&model, &work, Some(total(work) - 1)).unwrap_err().to_string();
        let allowed = size(total(work) - 1);
        let want = format!("may use {allowed}: lower `--batch_tokens` or `--per_device_train_batch_size`");
        assert!(refused.starts_with("training takes ") && refused.ends_with(&want), "{refused}");
        assert!(remedy(&model, &work, total(one)).starts_with("lower `--batch_tokens`"));
        assert!(remedy(&model, &work, total(one) - 1).contains("--gradient_checkpointing"));
        assert!(remedy(&model, &work, total(lean)).contains("--gradient_checkpointing"));
        assert!(remedy(&model, &work, total(lean) - 1).contains("--freeze embeddings"));
    }
}
