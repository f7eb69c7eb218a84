//! Encoders beside BERT from files to files: they learn ten sentences by heart, and what is saved says the same again.

use tagsmith_testkit::scratch::Scratch;

#[test]
fn other_encoders_learn_evaluate_predict_and_are_saved() {
    for (name, architecture) in
        [("modernbert", "ModernBertForTokenClassification"), ("deberta-v2", "DebertaV2ForTokenClassification")]
    {
        let scratch = Scratch::with_tagger();
        scratch.put_tagger(name, "model");
        scratch.good(
            "train --model_name_or_path model --output_dir out --train_file data.json --validation_file data.json \
             --test_file data.json --do_train --do_eval --do_predict --learning_rate 1e-2 --num_train_epochs 30 \
             --per_device_train_batch_size 2 --seed 7 --threads 1 --gradient_checkpointing --batch_tokens 12",
        );
        let results = scratch.json("out/all_results.json");
        assert_eq!(results["eval_f1"], 1.0, "{name}: {results}");
        assert_eq!(scratch.json("out/config.json")["architectures"][0], architecture);
        // What was saved predicts what the run predicted.
        let predictions = scratch.read("out/predictions.txt");
        scratch
            .good("train --model_name_or_path out --output_dir again --test_file data.json --do_predict --threads 1");
        assert_eq!(scratch.read("again/predictions.txt"), predictions, "{name}");
    }
}
