//! The chain of labels against pytorch-crf (golden/decoding/crf.jsonl), all paths one by one, and finite differences.

use serde_json::Value;
use tagsmith_kernel::check::{assert_close, assert_far, random};
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::op::crf::{Chain, Loss, Part, Saved, forward, log_likelihood};
use tagsmith_kernel::params::{Grads, Params, Slot, SlotId};
use tagsmith_testkit::golden;

/// Gradients are computed in f64 and rounded once.
const C: f64 = 1.0;

struct Case {
    start: Vec<f64>,
    transitions: Vec<f64>,
    end: Vec<f64>,
    sentences: Vec<Sentence>,
    dstart: Vec<f64>,
    dtransitions: Vec<f64>,
    dend: Vec<f64>,
}

struct Sentence {
    scores: Vec<Vec<f32>>,
    tags: Vec<usize>,
    upstream: f64,
    log_likelihood: f64,
    dscores: Vec<f64>,
}

fn floats(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(floats).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn cases() -> Vec<Case> {
    let sentence = |it: &Value| Sentence {
        scores: serde_json::from_value(it["scores"].clone()).unwrap(),
        tags: serde_json::from_value(it["tags"].clone()).unwrap(),
        upstream: it["upstream"].as_f64().unwrap(),
        log_likelihood: it["log_likelihood"].as_f64().unwrap(),
        dscores: floats(&it["d_scores"]),
    };
    let case = |it: &Value| Case {
        start: floats(&it["start"]),
        transitions: floats(&it["transitions"]),
        end: floats(&it["end"]),
        sentences: it["sentences"].as_array().unwrap().iter().map(sentence).collect(),
        dstart: floats(&it["d_start"]),
        dtransitions: floats(&it["d_transitions"]),
        dend: floats(&it["d_end"]),
    };
    golden::lines("decoding/crf.jsonl").iter().map(case).collect()
}

impl Case {
    fn chain(&self) -> Chain<'_> {
        Chain { start: &self.start, transitions: &self.transitions, end: &self.end }
    }
}

/// The loss of one sentence among rows that do not count: a special piece around it, and one behind each word.
fn loss(sentence: &Sentence, chain: Chain<'_>, factor: f64) -> (Loss, Saved, Vec<usize>) {
    let k = chain.start.len();
    let (mut rows, mut labels, mut places) = (vec![9.0; k], vec![-100], Vec::new());
    for (row, &tag) in sentence.scores.iter().zip(&sentence.tags) {
        places.push(labels.len());
        rows.extend(row.iter().copied().chain(vec![-7.0; k]));
        labels.extend([tag as i32, -100]);
    }
    let scores = Tensor::from_slice(labels.len(), k, &rows);
    let (loss, saved) = forward(&scores, &labels, &[0, labels.len() as u32], chain, factor);
    (loss, saved, places)
}

fn at(tensor: &Tensor, places: &[usize]) -> Vec<f32> {
    places.iter().flat_map(|&row| tensor.row(row).to_vec()).collect()
}

/// The gradients of a chain's parameters, one sequence added to the other.
struct ChainGrads(Params, Grads);

impl ChainGrads {
    const PARTS: [Part; 3] = [Part::Start, Part::Transitions, Part::End];

    fn new(k: usize) -> ChainGrads {
        let mut offset = 0;
        let slots = [vec![k], vec![k, k], vec![k]].map(|shape| {
            let slot = Slot::dense("crf", &shape, offset);
            offset += slot.room();
            slot
        });
        let params = Params::zeros(slots.to_vec());
        let grads = Grads::new(&params);
        ChainGrads(params, grads)
    }

    fn add(&mut self, saved: &Saved) {
        for (number, part) in ChainGrads::PARTS.into_iter().enumerate() {
            saved.backward(part, self.1.span(SlotId(number), 1));
        }
    }

    fn of(&self, part: Part) -> Vec<f32> {
        let number = ChainGrads::PARTS.iter().position(|known| *known == part).unwrap();
        self.1.copy(&self.0, SlotId(number)).unwrap().unwrap()
    }
}

#[test]
fn likelihoods_and_gradients_are_those_of_pytorch_crf() {
    for case in cases() {
        let mut of_chain = ChainGrads::new(case.start.len());
        for sentence in &case.sentences {
            // The loss is the negative likelihood, so the upstream gradient of the likelihood is negative too.
            let (found, saved, places) = loss(sentence, case.chain(), -sentence.upstream);
            let sum = found.sum.read().unwrap();
            assert!((sum + sentence.log_likelihood).abs() < 1e-5, "{sum}");
            let rows: Vec<&[f32]> = sentence.scores.iter().map(Vec::as_slice).collect();
            assert_eq!(log_likelihood(&rows, &sentence.tags, case.chain()), -sum);
            assert_close("dscores", &at(&found.dscores, &places), &sentence.dscores, 8.0 * C, 1);
            let counted: f32 = at(&found.dscores, &places).iter().map(|d| d.abs()).sum();
            assert_eq!(found.dscores.data().iter().map(|d| d.abs()).sum::<f32>(), counted, "others have no gradient");
            of_chain.add(&saved);
        }
        let words = case.sentences.iter().map(|it| it.tags.len()).sum();
        assert_close("dstart", &of_chain.of(Part::Start), &case.dstart, 8.0 * C, words);
        assert_close("dend", &of_chain.of(Part::End), &case.dend, 8.0 * C, words);
        if case.dtransitions.iter().any(|&d| d != 0.0) {
            assert_close("dtransitions", &of_chain.of(Part::Transitions), &case.dtransitions, 8.0 * C, words);
        }
    }
}

/// Wrong twins: transitions read by columns, no numbers of last labels, a mean over words in the place of the sum.
#[test]
fn wrong_twins_are_refused() {
    let mut seen = [0; 3];
    for case in cases() {
        let k = case.start.len();
        let transposed: Vec<f64> = (0..k * k).map(|at| case.transitions[at % k * k + at / k]).collect();
        let zeros = vec![0.0; k];
        for sentence in case.sentences.iter().filter(|sentence| sentence.tags.len() > 2) {
            let twins = [
                (Chain { transitions: &transposed, ..case.chain() }, -sentence.upstream),
                (Chain { end: &zeros, ..case.chain() }, -sentence.upstream),
                (case.chain(), -sentence.upstream / sentence.tags.len() as f64),
            ];
            for ((chain, factor), seen) in twins.into_iter().zip(&mut seen) {
                let (found, _saved, places) = loss(sentence, chain, factor);
                assert_far("dscores", &at(&found.dscores, &places), &sentence.dscores, 8.0 * C, 1);
                *seen += 1;
            }
        }
    }
    assert!(seen.iter().all(|&count| count > 3), "{seen:?}");
}

/// All paths of `words` labels of `k`.
fn paths(words: usize, k: usize) -> Vec<Vec<usize>> {
    (0..k.pow(words as u32)).map(|number| (0..words).map(|at| number / k.pow(at as u32) % k).collect()).collect()
}

fn drawn(seed: u64, len: usize) -> Vec<f64> {
    random(seed, len, 2.0).into_iter().map(f64::from).collect()
}

/// By definition: the share of a path's exp(score) among those of all paths.
#[test]
fn a_likelihood_is_a_share_of_all_paths() {
    for (words, k) in [(1, 1), (1, 4), (2, 3), (5, 2), (4, 4)] {
        let (start, transitions, end) = (drawn(1, k), drawn(2, k * k), drawn(3, k));
        let chain = Chain { start: &start, transitions: &transitions, end: &end };
        let scores = random(4, words * k, 3.0);
        let rows: Vec<&[f32]> = scores.chunks(k).collect();
        let weight = |path: &[usize]| {
            let own: f64 = path.iter().zip(&rows).map(|(&tag, row)| f64::from(row[tag])).sum();
            let pairs: f64 = path.windows(2).map(|pair| transitions[pair[0] * k + pair[1]]).sum();
            (start[path[0]] + own + pairs + end[path[words - 1]]).exp()
        };
        let all: f64 = paths(words, k).iter().map(|path| weight(path)).sum();
        for path in paths(words, k) {
            let got = log_likelihood(&rows, &path, chain);
            assert!((got - (weight(&path) / all).ln()).abs() < 1e-9, "{got}");
        }
    }
}

/// Numbers of 0 make each word's likelihood its softmax's.
#[test]
fn a_chain_that_knows_nothing_is_a_softmax() {
    let (words, k) = (3, 5);
    let (zeros, pairs) = (vec![0.0; k], vec![0.0; k * k]);
    let scores = random(5, words * k, 3.0);
    let rows: Vec<&[f32]> = scores.chunks(k).collect();
    let tags = [4, 0, 2];
    let of_word = |(row, &tag): (&&[f32], &usize)| {
        let sum: f64 = row.iter().map(|&score| f64::from(score).exp()).sum();
        f64::from(row[tag]) - sum.ln()
    };
    let want: f64 = rows.iter().zip(&tags).map(of_word).sum();
    let got = log_likelihood(&rows, &tags, Chain { start: &zeros, transitions: &pairs, end: &zeros });
    assert!((got - want).abs() < 1e-9);
    assert_eq!(log_likelihood(&[], &[], Chain { start: &zeros, transitions: &pairs, end: &zeros }), 0.0);
}

/// Each number moved by ±h moves factor · loss by the gradient.
#[test]
fn gradients_are_differences() {
    let k = 3;
    let labels = [0, -100, 2, 1, -100, -100, 1, 0];
    let starts = [0u32, 4, 6, 8];
    let (factor, h) = (0.37, 1e-4);
    let (start, transitions, end) = (drawn(6, k), drawn(7, k * k), drawn(8, k));
    let scores: Vec<f64> = drawn(9, labels.len() * k);
    let sum = |scores: &[f64], start: &[f64], transitions: &[f64], end: &[f64]| {
        let values: Vec<f32> = scores.iter().map(|&score| score as f32).collect();
        let tensor = Tensor::from_slice(labels.len(), k, &values);
        forward(&tensor, &labels, &starts, Chain { start, transitions, end }, factor)
    };
    let (found, saved) = sum(&scores, &start, &transitions, &end);
    let mut of_chain = ChainGrads::new(k);
    of_chain.add(&saved);
    let differences = |values: &[f64], of: &dyn Fn(&[f64]) -> f64, step: f64| -> Vec<f64> {
        let moved = |at: usize, by: f64| {
            let mut values = values.to_vec();
            values[at] += by;
            of(&values)
        };
        (0..values.len()).map(|at| (moved(at, step) - moved(at, -step)) / (2.0 * step) * factor).collect()
    };
    let read = |(loss, _): (Loss, Saved)| loss.sum.read().unwrap();
    let close = |what: &str, got: &[f32], want: &[f64], allowed: f64| {
        let apart = got.iter().zip(want).map(|(g, w)| (f64::from(*g) - w).abs()).fold(0.0, f64::max);
        assert!(apart < allowed && want.iter().any(|d| d.abs() > 0.01), "{what}: {apart}");
    };
    let of_start = differences(&start, &|it| read(sum(&scores, it, &transitions, &end)), h);
    close("dstart", &of_chain.of(Part::Start), &of_start, 1e-6);
    let of_pairs = differences(&transitions, &|it| read(sum(&scores, &start, it, &end)), h);
    close("dtransitions", &of_chain.of(Part::Transitions), &of_pairs, 1e-6);
    let of_end = differences(&end, &|it| read(sum(&scores, &start, &transitions, it)), h);
    close("dend", &of_chain.of(Part::End), &of_end, 1e-6);
    // Scores are f32, so a step is coarse.
    let of_scores = differences(&scores, &|it| read(sum(it, &start, &transitions, &end)), 1.0 / 256.0);
    close("dscores", found.dscores.data(), &of_scores, 1e-4);
}
