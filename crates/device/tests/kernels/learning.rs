//! Cross-entropy, sums of squares, the clip, and AdamW.

use crate::harness::{
    BOTH, assert_close, assert_same_bits, assert_within, finite_differences, in_each_order, random, rounded, wide,
};
use tagsmith_device::kernels::learning::{AdamW, Clip, CrossEntropy, Dot, Part, Rates, Sum};
use tagsmith_device::multiply::Element;

/// (1 − ε) · −log p[label] + ε · mean of −log p, of one row.
fn row_loss(scores: &[f64], label: usize, smoothing: f64) -> f64 {
    let highest = scores.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
    let log_total = scores.iter().map(|s| (s - highest).exp()).sum::<f64>().ln() + highest;
    let mean = scores.iter().map(|s| log_total - s).sum::<f64>() / scores.len() as f64;
    (1.0 - smoothing) * (log_total - scores[label]) + smoothing * mean
}

#[test]
fn losses_and_their_gradients() {
    in_each_order(&["cross_entropy", "sum_f64"], |machine| {
        for element in BOTH {
            for (rows, classes, smoothing) in
                [(1, 2, 0.0), (7, 9, 0.1), (128, 3, 0.0), (131, 5, 0.2), (3, 1, 0.0), (2, 77, 0.1)]
            {
                let (what, factor) = (format!("{rows} × {classes} {element:?}"), 1.0 / 37.0);
                let scores = random(element, 1, rows * classes, 6.0);
                let labels: Vec<i32> =
                    (0..rows).map(|row| if row % 4 == 3 { -100 } else { (row * 7 % classes) as i32 }).collect();
                let (pscores, plabels) = (machine.elements(element, &scores), machine.i32s(&labels));
                let (pd, plosses, psum) =
                    (machine.empty(element, rows * classes), machine.room(8 * rows), machine.room(8));
                machine.run_reading_less([CrossEntropy {
                    element,
                    scores: pscores.address(),
                    labels: plabels.address(),
                    dscores: pd.address(),
                    losses: plosses.address(),
                    rows,
                    classes,
                    smoothing,
                    factor,
                }
                .launch()]);
                machine.run([Sum { x: plosses.address(), out: psum.address(), n: rows }.launch()]);
                let (losses, wide_scores) = (machine.doubles(&plosses), wide(&scores));
                let mut want = vec![0.0; rows * classes];
                for row in 0..rows {
                    let own = &wide_scores[row * classes..][..classes];
                    match usize::try_from(labels[row]) {
                        Ok(label) => {
                            let loss = row_loss(own, label, smoothing);
                            // f64 throughout: scores of ±6 and their sums carry a few units of 2⁻⁵³ · 12.
                            let allowed = 1e-13 * classes as f64;
                            assert!((losses[row] - loss).abs() <= allowed, "{what}: {} for {loss}", losses[row]);
                            let gradient = finite_differences(own, &[factor], |s| vec![row_loss(s, label, smoothing)]);
                            want[row * classes..][..classes].copy_from_slice(&gradient);
                        }
                        Err(_) => assert_eq!(losses[row], 0.0, "{what}: a row that does not count"),
                    }
                }
                assert_close(&what, element, &machine.values(element, &pd), &want, 2.0, 1);
                let sum: f64 = losses.iter().sum();
                assert!((machine.doubles(&psum)[0] - sum).abs() <= 1e-14 * rows as f64 * sum.abs(), "{what}");
                for (row, _) in labels.iter().enumerate().filter(|&(_, &label)| label < 0) {
                    assert!(
                        machine.values(element, &pd)[row * classes..][..classes].iter().all(|&d| d == 0.0),
                        "{what}"
                    );
                }
            }
        }
        let (pscores, plabels) = (machine.f32s(&[1.0, f32::NAN]), machine.i32s(&[0]));
        let plosses = machine.room(8);
        let (scores, labels, losses) = (pscores.address(), plabels.address(), plosses.address());
        let element = Element::F32;
        let (smoothing, factor) = (0.0, 1.0);
        machine.run([CrossEntropy {
            element,
            scores,
            labels,
            dscores: scores,
            losses,
            rows: 1,
            classes: 2,
            smoothing,
            factor,
        }
        .launch()]);
        assert!(machine.doubles(&plosses)[0].is_nan(), "NaN is not hidden");
    });
}

#[test]
fn sums_of_products_and_the_clip() {
    in_each_order(&["dots", "sum_f64", "clip"], |machine| {
        for element in BOTH {
            for n in [1, 255, 256, 32_768, 32_769, 70_001] {
                let (x, y) = (random(element, 1, n, 1.0), random(element, 2, n, 1.0));
                let (px, py) = (machine.elements(element, &x), machine.elements(element, &y));
                let (ppartials, pout) = (machine.room(8 * Dot::partial(n)), machine.room(8));
                let dot = Dot {
                    element,
                    x: px.address(),
                    y: py.address(),
                    partials: ppartials.address(),
                    out: pout.address(),
                    n,
                };
                machine.run(dot.launches());
                let products = || x.iter().zip(&y).map(|(x, y)| f64::from(*x) * f64::from(*y));
                // Products of two floats are exact in f64; n sums of numbers below 1.
                let allowed = 1.2e-16 * n as f64 * products().map(f64::abs).sum::<f64>().max(1e-30);
                let got = machine.doubles(&pout)[0];
                assert!((got - products().sum::<f64>()).abs() <= allowed, "{n} {element:?}: {got}");
                machine.run(Dot { y: px.address(), ..dot }.launches());
                // x and y begin one element further: nothing lies at a multiple of 16 bytes.
                let [at, other] = [&px, &py].map(|room| room.address() + element.bytes());
                if n > 1 {
                    machine.run(Dot { x: at, y: other, n: n - 1, ..dot }.launches());
                    let rest: f64 = products().skip(1).sum();
                    assert!((machine.doubles(&pout)[0] - rest).abs() <= allowed, "{n} {element:?}, further");
                    machine.run(Dot { y: px.address(), ..dot }.launches());
                }
                let squares = machine.doubles(&pout)[0];
                let want: f64 = wide(&x).iter().map(|x| x * x).sum();
                assert!((squares - want).abs() <= 1.2e-16 * n as f64 * want, "{n} {element:?}: {squares}");

                let (pnorm, pscale) = (machine.room(8), machine.empty(Element::F32, 1));
                for most in [0.0, 0.25, 1e9] {
                    let (squares, norm, scale) = (pout.address(), pnorm.address(), pscale.address());
                    machine.run([Clip { squares, norm, scale, most }.launch()]);
                    let length = want.sqrt();
                    assert!((machine.doubles(&pnorm)[0] - length).abs() <= 1e-12 * length);
                    let factor = if most > 0.0 { (most / (length + 1e-6)).min(1.0) } else { 1.0 };
                    assert_within("the clip", &machine.values(Element::F32, &pscale), &[factor], &[1e-7]);
                }
            }
        }
        let (pnan, pnorm, pscale) = (machine.f64s(&[f64::NAN]), machine.room(8), machine.empty(Element::F32, 1));
        machine.run([
            Clip { squares: pnan.address(), norm: pnorm.address(), scale: pscale.address(), most: 1.0 }.launch()
        ]);
        assert!(machine.values(Element::F32, &pscale)[0].is_nan(), "NaN is not hidden");
        let pout = machine.room(8);
        machine.run([Sum { x: pout.address(), out: pout.address(), n: 0 }.launch()]);
        assert_eq!(machine.doubles(&pout), [0.0]);
    });
}

#[test]
fn parameters_are_updated() {
    let parts = [
        Part { parameter: 0, moment: 0, count: 5000, decay: 0.3 },
        // Parameters between 5000 and 5003 do not learn: nothing of theirs changes, and they have no moments.
        Part { parameter: 5003, moment: 5000, count: 97, decay: 0.0 },
    ];
    let (all, moments) = (5100, 5097);
    in_each_order(&["adamw"], |machine| {
        let [p, g] = [1, 2].map(|seed| random(Element::F32, seed, all, 1.0));
        let m = random(Element::F32, 3, moments, 0.1);
        let v: Vec<f32> = random(Element::F32, 4, moments, 0.01).iter().map(|v| v.abs()).collect();
        let [pp, pg, pm, pv] = [&p, &g, &m, &v].map(|values| machine.f32s(values));
        let (ptwins, pscale) = (machine.elements(Element::Bf16, &vec![7.0; all]), machine.f32s(&[0.5]));
        let rates = Rates { rate: 0.106, beta1: 0.9, beta2: 0.98, epsilon: 1e-6, update: 3 };
        let in_f32 = 1.0 - rates.rate as f32 * parts[0].decay as f32;
        assert_ne!(in_f32, (1.0 - rates.rate * parts[0].decay) as f32, "1 − ηλ shows where it is computed");
        let pchunks = machine.bytes(&AdamW::chunks(&parts));
        let count = parts.iter().map(Part::chunks).sum();
        assert_eq!((count, pchunks.bytes()), (3, 3 * AdamW::CHUNK), "4096 + 904, and 97");
        let adamw = AdamW {
            parameters: pp.address(),
            gradients: pg.address(),
            first_moments: pm.address(),
            second_moments: pv.address(),
            twins: ptwins.address(),
            chunks: pchunks.address(),
            count,
            elements: moments,
            scale: pscale.address(),
            rates,
        };
        machine.run([adamw.launch()]);
        let (mut want_p, mut want_m, mut want_v) = (p.clone(), m.clone(), v.clone());
        let mut exact = wide(&p);
        for part in &parts {
            for i in 0..part.count {
                let (at, moment) = (part.parameter + i, part.moment + i);
                // The operations of `kernel/op/adamw.rs` in f32, one by one.
                let grad = g[at] * 0.5;
                let rest1 = (1.0 - rates.beta1) as f32;
                let new_m = rest1.mul_add(grad, rates.beta1 as f32 * m[moment]);
                let rest2 = (1.0 - rates.beta2) as f32;
                let new_v = (rest2 * grad).mul_add(grad, rates.beta2 as f32 * v[moment]);
                let root_correction = (1.0 / (1.0 - rates.beta2.powf(3.0)).sqrt()) as f32;
                let root = new_v.sqrt().mul_add(root_correction, rates.epsilon as f32);
                let step = (rates.rate / (1.0 - rates.beta1.powf(3.0))) as f32;
                let keep = (1.0 - rates.rate * part.decay) as f32;
                want_p[at] = p[at] * keep - step * new_m / root;
                (want_m[moment], want_v[moment]) = (new_m, new_v);
                // Loshchilov and Hutter in f64, with PyTorch's ε.
                let grad = f64::from(g[at]) * 0.5;
                let m = rates.beta1 * f64::from(m[moment]) + (1.0 - rates.beta1) * grad;
                let v = rates.beta2 * f64::from(v[moment]) + (1.0 - rates.beta2) * grad * grad;
                let (m, v) = (m / (1.0 - rates.beta1.powi(3)), v / (1.0 - rates.beta2.powi(3)));
                exact[at] =
                    f64::from(p[at]) * (1.0 - rates.rate * part.decay) - rates.rate * m / (v.sqrt() + rates.epsilon);
            }
        }
        let got = machine.values(Element::F32, &pp);
        assert_close("parameters", Element::F32, &got, &exact, 4.0, 1);
        assert_same_bits("parameters", &got, &want_p);
        assert_same_bits("first moments", &machine.values(Element::F32, &pm), &want_m);
        assert_same_bits("second moments", &machine.values(Element::F32, &pv), &want_v);
        let learns = |at: usize| !(5000..5003).contains(&at);
        let twins: Vec<f32> =
            (0..all).map(|at| if learns(at) { rounded(Element::Bf16, want_p[at]) } else { 7.0 }).collect();
        assert_same_bits("twins", &machine.values(Element::Bf16, &ptwins), &twins);
        machine.run([AdamW { count: 0, elements: 0, ..adamw }.launch(), AdamW { twins: 0, ..adamw }.launch()]);
        assert_same_bits("twins that are not wanted", &machine.values(Element::Bf16, &ptwins), &twins);
    });
}
