//! Layer norm, and the gradients of its input and its parameters.

use crate::harness::{BOTH, assert_close, assert_same_bits, differences_by_row, in_each_order, random, rounded, wide};
use tagsmith_device::kernels::layer_norm::{Backward, Forward, ParameterSums};
use tagsmith_device::multiply::Element;

const EPSILON: f32 = 1e-3;

/// Rows and columns: one of each, ragged ends, blocks of 64 rows and one row more.
const SHAPES: [(usize, usize); 7] = [(1, 1), (3, 24), (5, 32), (15, 48), (64, 33), (129, 40), (2, 770)];

fn normalized(x: &[f64]) -> Vec<f64> {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    x.iter().map(|x| (x - mean) / (variance + f64::from(EPSILON)).sqrt()).collect()
}

#[test]
fn rows_are_normalized_and_their_gradients() {
    in_each_order(&["layer_norm"], |machine| {
        for element in BOTH {
            for (rows, columns) in SHAPES {
                let n = rows * columns;
                let what = format!("{rows} × {columns} {element:?}");
                // A mean far from 0: squares of x minus the square of the mean would cancel.
                let x: Vec<f32> = random(element, 1, n, 2.0).iter().map(|x| rounded(element, x + 20.0)).collect();
                let [gain, bias] = [2, 3].map(|seed| random(Element::F32, seed, columns, 1.5));
                let [dy, before] = [4, 5].map(|seed| random(element, seed, n, 1.0));
                let px = machine.elements(element, &x);
                let [pgain, pbias] = [&gain, &bias].map(|values| machine.f32s(values));
                let (py, pbare) = (machine.empty(element, n), machine.empty(element, n));
                let pstatistics = machine.empty(Element::F32, 2 * rows);
                let forward = Forward {
                    element,
                    x: px.address(),
                    gain: pgain.address(),
                    bias: pbias.address(),
                    y: py.address(),
                    statistics: pstatistics.address(),
                    rows,
                    columns,
                    epsilon: EPSILON,
                };
                machine.run([Forward { bias: 0, y: pbare.address(), ..forward }.launch(), forward.launch()]);
                let f = |row: &[f64]| -> Vec<f64> {
                    normalized(row).iter().zip(&gain).map(|(unit, &gain)| unit * f64::from(gain)).collect()
                };
                let bare: Vec<f64> = wide(&x).chunks_exact(columns).flat_map(f).collect();
                let with: Vec<f64> = bare.iter().enumerate().map(|(i, y)| y + f64::from(bias[i % columns])).collect();
                // Errors of x − mean are those of numbers near 20, times a scale of about 1.
                let c = 4.0 * 20.0;
                assert_close(&what, element, &machine.values(element, &pbare), &bare, c, columns);
                assert_close(&what, element, &machine.values(element, &py), &with, c, columns);

                let (pdy, pbefore) = (machine.elements(element, &dy), machine.elements(element, &before));
                let pdx = machine.empty(element, n);
                let backward = Backward {
                    element,
                    x: px.address(),
                    gain: pgain.address(),
                    statistics: pstatistics.address(),
                    dy: pdy.address(),
                    dx: pdx.address(),
                    rows,
                    columns,
                    onto: false,
                };
                machine.run([backward.launch(), Backward { dx: pbefore.address(), onto: true, ..backward }.launch()]);
                let want = differences_by_row(&wide(&x), &wide(&dy), columns, f);
                let added: Vec<f64> = want.iter().zip(&before).map(|(d, &b)| d + f64::from(b)).collect();
                if columns > 1 {
                    assert_close(&what, element, &machine.values(element, &pdx), &want, 8.0 * 20.0, columns);
                }
                assert_close(&what, element, &machine.values(element, &pbefore), &added, 8.0 * 20.0, columns);

                let partial = ParameterSums::partial(rows, columns);
                let ppartials = machine.empty(Element::F32, 2 * partial);
                let (pdgain, pdbias) = (machine.f32s(&gain), machine.empty(Element::F32, columns));
                let sums = ParameterSums {
                    element,
                    x: px.address(),
                    statistics: pstatistics.address(),
                    dy: pdy.address(),
                    partials: ppartials.address(),
                    dgain: pdgain.address(),
                    dbias: pdbias.address(),
                    rows,
                    columns,
                    onto: [true, false],
                };
                machine.run([sums.launch()]);
                let units: Vec<f64> = wide(&x).chunks_exact(columns).flat_map(normalized).collect();
                let column = |c: usize, by: &dyn Fn(usize) -> f64| {
                    (0..rows).map(|row| row * columns + c).map(|i| f64::from(dy[i]) * by(i)).sum::<f64>()
                };
                let dgain: Vec<f64> = (0..columns).map(|c| column(c, &|i| units[i])).collect();
                let dgain_onto: Vec<f64> = dgain.iter().zip(&gain).map(|(d, &b)| d + f64::from(b)).collect();
                let dbias: Vec<f64> = (0..columns).map(|c| column(c, &|_| 1.0)).collect();
                let got = machine.values(Element::F32, &pdgain);
                assert_close(&what, Element::F32, &got, &dgain_onto, 8.0 * 20.0, rows);
                assert_close(&what, Element::F32, &machine.values(Element::F32, &pdbias), &dbias, 8.0, rows);

                // Without a bias, and overwriting: the partial sums of biases have no room.
                let half = machine.empty(Element::F32, partial);
                let overwritten = ParameterSums { dbias: 0, partials: half.address(), onto: [false; 2], ..sums };
                machine.run([overwritten.launch()]);
                assert_close(&what, Element::F32, &machine.values(Element::F32, &pdgain), &dgain, 8.0 * 20.0, rows);
            }
        }
    });
}

#[test]
fn a_row_does_not_depend_on_the_others() {
    in_each_order(&["layer_norm_f32"], |machine| {
        let (rows, columns, element) = (5, 48, Element::F32);
        let x = random(element, 1, rows * columns, 2.0);
        let normalize = |x: &[f32]| {
            let rows = x.len() / columns;
            let (px, pgain) = (machine.f32s(x), machine.f32s(&vec![1.0; columns]));
            let (py, ps) = (machine.empty(element, x.len()), machine.empty(element, 2 * rows));
            let (x, gain, y, statistics) = (px.address(), pgain.address(), py.address(), ps.address());
            let forward = Forward { element, x, gain, bias: 0, y, statistics, rows, columns, epsilon: EPSILON };
            machine.run([forward.launch()]);
            machine.values(element, &py)
        };
        let (all, alone) = (normalize(&x), normalize(&x[3 * columns..4 * columns]));
        assert_same_bits("the fourth row", &alone, &all[3 * columns..4 * columns]);
    });
}
