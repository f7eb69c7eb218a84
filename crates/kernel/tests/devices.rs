//! Numbers on a device: they get there and come back, and a device that fails says so when they are read.

use std::sync::Arc;
use tagsmith_kernel::check::{device_with_memory, on_every_device, parameter, random, read};
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::memory::values::View;
use tagsmith_kernel::op::activation::{self, Activation};
use tagsmith_kernel::op::{embedding, layer_norm};
use tagsmith_kernel::params::table::{Origin, Rows, Table, UnreadableRows};
use tagsmith_kernel::params::{GradSlot, Grads, Params, Slot, SlotId};
use tagsmith_kernel::{Device, Error, Precision};

#[test]
fn tensors_come_back_as_they_went() {
    on_every_device(|device, place| {
        let values = random(1, 3 * 7, 1.0);
        let x = Tensor::on(device, 3, 7, &values);
        assert_eq!(read(&x), values, "{place}");
        let shared = x.clone();
        let mut copy = x.unshared();
        copy.view_mut().copy_from(View::Host(&[2.0; 21]));
        assert_eq!((read(&shared), read(&copy)), (values.clone(), vec![2.0; 21]), "{place}");
        let mut part = shared.zeros_beside(2, 5);
        assert_eq!(read(&part), [0.0; 10], "{place}");
        part.view_mut().part(3..7).copy_from(shared.view().part(4..8));
        let want = [&[0.0; 3], &values[4..8], &[0.0; 3]].concat();
        assert_eq!((read(&part), part.here().expect("the device works").data()), (want.clone(), &want[..]), "{place}");
        let mut sums = Tensor::on(device, 1, 21, &values);
        let (_, mut second) = sums.view_mut().split_at(8);
        second.clear();
        assert_eq!(read(&sums), [&values[..8], &[0.0; 13]].concat(), "{place}");
        assert_eq!(read(&Tensor::on(device, 0, 5, &[])), [0.0; 0], "{place}");
    });
}

#[test]
#[should_panic(expected = "lie on a device")]
fn an_operation_of_the_processor_does_not_look_into_a_device() {
    _ = Tensor::on(&device_with_memory(1 << 20), 1, 1, &[1.0]).data();
}

#[test]
#[should_panic(expected = "lie on the processor")]
fn an_operation_of_a_device_takes_no_parameters_of_the_processor() {
    let x = Tensor::on(&device_with_memory(1 << 20), 1, 4, &[1.0; 4]);
    _ = layer_norm::forward(x, View::Host(&[1.0; 4]), View::EMPTY, 0.1);
}

#[test]
#[should_panic(expected = "layer_norm: dx is (3, 4), not (2, 4)")]
fn a_device_adds_to_no_gradient_of_another_shape() {
    let device = device_with_memory(1 << 20);
    let x = || Tensor::on(&device, 2, 4, &[1.0; 8]);
    let gain = parameter(&device, &[1.0; 4]);
    let (_, saved) = layer_norm::forward(x(), gain.view(), View::EMPTY, 0.1);
    saved.backward(gain.view(), None, &x(), Some(Tensor::on(&device, 3, 4, &[0.0; 12])));
}

#[test]
fn a_device_without_memory_says_so_when_numbers_are_read() {
    let device = device_with_memory(4096);
    let x = Tensor::on(&device, 1, 500, &[1.0; 500]);
    device.check().expect("there is room for 500 numbers");
    // Three more of them do not fit; what is asked for after the error does nothing.
    let kept: Vec<Tensor> = (0..3).map(|_| activation::forward(&x, Activation::Relu)).collect();
    let again = activation::backward(&kept[2], Activation::Relu, kept[1].copy());
    for tensor in [&x, &kept[0], &kept[2], &again] {
        let error = tensor.to_vec().unwrap_err().to_string();
        assert_eq!(error, "emulator: 2048 bytes do not fit; 0 bytes of 4096 are free");
    }
}

/// A table's origin: row r holds r, r + ¼, …
#[derive(Debug)]
struct Rising;

impl Origin for Rising {
    fn read(&self, first: usize, out: &mut [f32]) -> Result<(), UnreadableRows> {
        out.iter_mut().enumerate().for_each(|(i, x)| *x = (first + i / 4) as f32 + (i % 4) as f32 / 4.0);
        Ok(())
    }
}

/// A weight, a table of 700 rows and a bias.
fn params() -> Params {
    let table = Slot { sparse: true, ..Slot::dense("table", &[700, 4], 6) };
    let slots = vec![Slot::dense("weight", &[3, 2], 0), table, Slot::dense("bias", &[3], 6)];
    let mut params = Params::zeros(slots);
    params.get_mut(SlotId(0)).copy_from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    params.get_mut(SlotId(2)).copy_from_slice(&[7.0, 8.0, 9.0]);
    *params.table_mut(SlotId(1)) = Table::new(700, 4, Arc::new(Rising));
    params
}

#[test]
fn parameters_move_to_a_device_and_their_tables_become_dense() {
    let params = params();
    on_every_device(|device, place| {
        let there = params.to(device, Precision::F32).expect("there is room");
        let values = |id| there.get(SlotId(id)).to_vec().expect("the device works");
        assert_eq!((values(0), values(2)), (vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![7.0, 8.0, 9.0]), "{place}");
        assert_eq!(values(1), params.copy(SlotId(1)).expect("its rows can be read"), "{place}");
        assert!(matches!(there.rows(SlotId(1)), Rows::Dense(rows) if rows.len() == 2800), "{place}");
        there.fetch(SlotId(1), &[3, 699]).expect("they are there");
        assert_eq!((there.len(), there.clone().bytes()), (params.len(), 4 * params.len()), "{place}");
        let copied = there.clone().span(SlotId(0), 3).to_vec().expect("the device works");
        assert_eq!(copied, params.to_vec().expect("its rows can be read"), "{place}");

        let mut grads = Grads::new(&there);
        let [Some(weight), Some(bias)] = grads.two_spans((SlotId(0), 1), (SlotId(2), 1)) else { panic!("they learn") };
        let one = Tensor::on(device, 1, 9, &[1.0; 9]);
        weight.put(one.view().part(0..6));
        assert!(matches!(bias, GradSlot::Overwrite(_)), "{place}");
        bias.put(View::Host(&[2.0; 3]));
        let gradient =
            |grads: &Grads, id| grads.copy(&there, SlotId(id)).expect("the device works").expect("it learns");
        assert_eq!((gradient(&grads, 0), gradient(&grads, 2)), (vec![1.0; 6], vec![2.0; 3]), "{place}");
        // A second gradient is added, from the device or from here.
        for (id, more) in [(0, one.view().part(0..6)), (2, View::Host(&[0.5, 1.0, 1.5]))] {
            grads.span(SlotId(id), 1).expect("it learns").put(more);
        }
        assert_eq!((gradient(&grads, 0), gradient(&grads, 2)), (vec![2.0; 6], vec![2.5, 3.0, 3.5]), "{place}");
        // What is lent lies where it was.
        grads.lend(&[0..1, 2..3], |mut lent, _| {
            let here: Vec<Vec<f32>> = lent.iter().map(|part| part.view().to_vec().expect("the device works")).collect();
            assert_eq!(here, [&[2.0; 6][..], &[2.5, 3.0, 3.5]], "{place}");
            lent[1].part(1..2).copy_from(View::Host(&[7.0]));
        });
        assert_eq!(gradient(&grads, 2), [2.5, 7.0, 3.5], "{place}");
        // Files are read on the processor, and what was read lies on the device again.
        let mut read = there.clone();
        let back = read.begin_reading();
        if let Device::Gpu(_) = back {
            assert!(read.slots == params.slots && read.is_table(SlotId(1)), "{place}");
            read.get_mut(SlotId(2)).fill(4.0);
        }
        read.end_reading(&back, Precision::F32).expect("there is room");
        if let Device::Gpu(_) = device {
            assert!(!read.is_table(SlotId(1)), "{place}");
            let values = |id| read.get(SlotId(id)).to_vec().expect("the device works");
            assert_eq!((values(0), values(2)), (vec![0.0; 6], vec![4.0; 3]), "{place}");
        }
    });
}

/// Rows of dy hold what they are: row r of a batch has r + 1 everywhere.
#[test]
fn a_table_has_the_gradient_of_its_step_alone() {
    let params = params();
    on_every_device(|device, place| {
        let there = params.to(device, Precision::F32).expect("there is room");
        let mut grads = Grads::new(&there);
        let table = SlotId(1);
        let add = |grads: &mut Grads, ids: &[u32]| {
            let rows: Vec<f32> = (0..4 * ids.len()).map(|i| (i / 4 + 1) as f32).collect();
            let dy = Tensor::on(device, ids.len(), 4, &rows);
            embedding::backward(ids, &dy, Some(9), grads.table(table).expect("it learns"));
        };
        let check = |grads: &Grads, want: &[(usize, f32)]| {
            let mut table_of = vec![0.0; 2800];
            want.iter().for_each(|&(row, sum)| table_of[4 * row..][..4].fill(sum));
            let got = grads.copy(&there, table).expect("the device works").expect("it learns");
            assert_eq!(got, table_of, "{place}");
        };
        add(&mut grads, &[3, 699, 3, 9]);
        check(&grads, &[(3, 4.0), (699, 2.0)]);
        // The next step has one of these rows, and in a second part another.
        grads.clear();
        add(&mut grads, &[5, 699]);
        check(&grads, &[(5, 1.0), (699, 2.0)]);
        add(&mut grads, &[0, 5]);
        check(&grads, &[(0, 1.0), (5, 3.0), (699, 2.0)]);
        grads.clear();
        add(&mut grads, &[1]);
        check(&grads, &[(1, 1.0)]);
        let Device::Gpu(_) = device else { return };
        // Others may write any row.
        grads.lend(&[1..2, 2..3], |mut lent, _| lent[0].part(308..309).copy_from(View::Host(&[1.0])));
        add(&mut grads, &[1, 2]);
        grads.clear();
        add(&mut grads, &[2]);
        check(&grads, &[(2, 1.0)]);
        grads.clear();
        grads.span(table, 1).expect("it learns").put(View::Host(&[5.0; 2800]));
        grads.clear();
        add(&mut grads, &[4]);
        check(&grads, &[(4, 1.0)]);
    });
}

#[test]
fn parameters_that_do_not_fit_are_an_error_before_anything_is_computed() {
    let error = params().to(&device_with_memory(8192), Precision::F32).unwrap_err();
    assert!(matches!(error, Error::Device(_)));
    assert_eq!(error.to_string(), "emulator: 11264 bytes do not fit; 8192 bytes of 8192 are free");
}
