"""Losses of words, and steps with them: golden/losses/.

    python losses.py            write golden/losses
    python losses.py --check    derive everything again and compare; exit status 1 on a difference

rows.jsonl: scores, labels (-100 is not counted) and a loss; its sum, its mean and the gradient of its sum, in float64.
Cross-entropy is PyTorch's own with `weight=` and `label_smoothing=`, whose mean divides by the weights of the counted
labels. Focal loss is equation 5 of Lin et al. 2017 with a softmax over labels; torchvision's `sigmoid_focal_loss` asks
each label alone and is another loss. Dice loss is equation 11 of Li et al. 2020 with its smoothing at 1, each pair of a
word and a label an example, and the exponent alpha that the authors' program has (`dice_alpha`, 0.01 in their scripts).
Their program sums over a whole batch before it divides, so that its loss follows the batch; the paper's form does not.

teacher.jsonl: a teacher's scores of the counted rows, a temperature T; T² · KL(teacher || student), summed, and its gradient,
by PyTorch's `kl_div` of a log_softmax and a softmax.

steps.json: losses and gradient norms of ten AdamW steps of golden/models/bert (see models.py), whole and in two
micro-batches whose losses are divided once, by the weights of both.
"""

import argparse
import json
import math
import sys

import numpy as np
import torch
from golden import settle
from torch.nn import functional

import models

IGNORE = -100


def focal(scores, labels, weight, gamma):
    log_p = functional.log_softmax(scores, dim=-1)[torch.arange(len(labels)), labels]
    return (-weight[labels] * (1 - log_p.exp()) ** gamma * log_p).sum()


def dice(scores, labels, weight, alpha, smoothing=1.0):
    p = functional.softmax(scores, dim=-1)
    u = (1 - p) ** alpha * p
    target = functional.one_hot(labels, scores.shape[-1]).to(u.dtype)
    terms = 1 - (2 * u * target + smoothing) / (u + target + smoothing)
    return (weight[labels] * terms.sum(-1)).sum()


def loss_sum(scores, labels, weight, case):
    """The sum over counted rows, and the sum of their weights."""
    counted = labels != IGNORE
    scores, labels = scores[counted], labels[counted]
    if case["loss"] == "cross_entropy":
        total = functional.cross_entropy(
            scores, labels, weight=weight, label_smoothing=case.get("smoothing", 0.0), reduction="sum"
        )
        mean = functional.cross_entropy(scores, labels, weight=weight, label_smoothing=case.get("smoothing", 0.0))
        assert math.isclose(mean.item(), (total / weight[labels].sum()).item(), rel_tol=1e-12)
    elif case["loss"] == "focal":
        total = focal(scores, labels, weight, case["gamma"])
    else:
        total = dice(scores, labels, weight, case["alpha"])
    return total, weight[labels].sum()


FORMS = [
    {"loss": "cross_entropy"},
    {"loss": "cross_entropy", "smoothing": 0.1},
    {"loss": "focal", "gamma": 0.0},
    {"loss": "focal", "gamma": 0.5},
    {"loss": "focal", "gamma": 2.0},
    {"loss": "dice", "alpha": 0.0},
    {"loss": "dice", "alpha": 0.01},
    {"loss": "dice", "alpha": 1.0},
]


def rows():
    for number, (labels_count, spread, weighted) in enumerate(
        [(2, 1.0, False), (5, 3.0, True), (9, 3.0, False), (9, 8.0, True)]
    ):
        rng = np.random.default_rng([number, 20])
        scores = (rng.normal(0, spread, (11, labels_count))).astype(np.float32)
        labels = rng.integers(0, labels_count, 11)
        labels[[3, 7]] = IGNORE
        weight = np.exp(rng.normal(0, 1, labels_count)) if weighted else np.ones(labels_count)
        for form in FORMS:
            case = form | {"weights": weight.tolist() if weighted else []}
            x = torch.from_numpy(scores).double().requires_grad_()
            y, w = torch.from_numpy(labels), torch.from_numpy(weight)
            total, weights = loss_sum(x, y, w, case)
            total.backward()
            case |= {"scores": scores.tolist(), "labels": labels.tolist()}
            case |= {"sum": total.item(), "mean": (total / weights).item(), "gradient": x.grad.tolist()}
            yield case


# Layer-wise rates: the head's own, then a part of the rate above for each layer down to the embeddings.
HEAD_RATE, RATE, LAYER_DECAY = 5e-3, 1e-3, 0.8


def layer_wise(model):
    """PyTorch's groups: a rate and a decay a parameter."""
    decaying = models.Trainer.get_decay_parameter_names(None, model)
    layers = model.config.num_hidden_layers

    def rate(name):
        if name.startswith("classifier"):
            return HEAD_RATE
        layer = int(name.split(".layer.")[1].split(".")[0]) if ".layer." in name else -1
        return RATE * LAYER_DECAY ** (layers - layer)

    groups = [
        {"params": [p], "lr": rate(n), "weight_decay": models.WEIGHT_DECAY if n in decaying else 0.0}
        for n, p in model.named_parameters()
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8, foreach=False)


WEIGHTS = [0.3, 2.0, 1.0, 4.0, 0.7]
STEPS = {
    "weights": {"loss": "cross_entropy", "weights": WEIGHTS},
    "weights_smoothed": {"loss": "cross_entropy", "smoothing": 0.1, "weights": WEIGHTS},
    "focal": {"loss": "focal", "gamma": 2.0, "weights": [1.0] * 5},
    "focal_weights": {"loss": "focal", "gamma": 2.0, "weights": WEIGHTS},
    "dice": {"loss": "dice", "alpha": 0.01, "weights": [1.0] * 5},
    "teacher": {"loss": "cross_entropy", "weights": WEIGHTS, "distill_alpha": 0.3, "temperature": 2.0},
    "layers": {
        "loss": "cross_entropy",
        "weights": [1.0] * 5,
        "head_rate": HEAD_RATE,
        "rate": RATE,
        "layer_decay": LAYER_DECAY,
    },
}


def distance(scores, teacher, temperature):
    """T² · KL(teacher || student), summed over rows."""
    student, teacher = functional.log_softmax(scores / temperature, -1), functional.softmax(teacher / temperature, -1)
    return temperature**2 * functional.kl_div(student, teacher, reduction="sum")


def teacher_rows():
    for number, (labels_count, temperature) in enumerate([(2, 1.0), (5, 2.0), (9, 4.0), (9, 0.5)]):
        rng = np.random.default_rng([number, 21])
        scores = rng.normal(0, 3, (9, labels_count)).astype(np.float32)
        labels = rng.integers(0, labels_count, 9)
        labels[[2, 5]] = IGNORE
        teacher = rng.normal(0, 3, (7, labels_count)).astype(np.float32)
        x = torch.from_numpy(scores).double().requires_grad_()
        total = distance(x[torch.from_numpy(labels) != IGNORE], torch.from_numpy(teacher).double(), temperature)
        total.backward()
        case = {"temperature": temperature, "scores": scores.tolist(), "labels": labels.tolist()}
        yield case | {"teacher": teacher.tolist(), "sum": total.item(), "gradient": x.grad.tolist()}


def steps(case):
    """Ten updates of the model of models.py, the loss divided once."""
    sentences = models.Sentences(models.random_model("bert").config)
    if "temperature" in case:
        # In the order of sentences; a batch's counted rows are the next ones of them.
        counted = sum(int((labels != IGNORE).sum()) for labels in sentences.labels)
        rows = np.random.default_rng(22).normal(0, 2, (counted, len(models.LABELS))).astype(np.float32)
        case = case | {"teacher": rows.tolist()}
    cuts = {"whole": [slice(None)], "halves": [slice(models.SPLIT), slice(models.SPLIT, None)]}
    found = {name: train(case, [sentences.padded(cut) for cut in chosen]) for name, chosen in cuts.items()}
    assert np.allclose(found["whole"]["losses"], found["halves"]["losses"], rtol=0, atol=1e-12)
    return case | found["whole"]


def from_teacher(case, model, batches):
    """The mean distance over the counted words of all batches."""
    scores = [model(**batch).logits[batch["labels"] != IGNORE] for batch in batches]
    scores = torch.cat(scores)
    return distance(scores, torch.tensor(case["teacher"], dtype=torch.float64), case["temperature"]) / len(scores)


def train(case, batches):
    model = models.random_model("bert").double()
    weight = torch.tensor(case["weights"], dtype=torch.float64)
    optimizer = layer_wise(model) if "layer_decay" in case else models.optimizer_of(model)
    schedule = models.get_linear_schedule_with_warmup(optimizer, models.WARMUP_STEPS, models.STEPS)
    losses, norms, rates = [], [], []
    for _ in range(models.STEPS):
        optimizer.zero_grad()
        parts = [
            loss_sum(model(**batch).logits.flatten(0, 1), batch["labels"].flatten(), weight, case) for batch in batches
        ]
        loss = sum(part[0] for part in parts) / sum(part[1] for part in parts)
        if "temperature" in case:
            loss = (1 - case["distill_alpha"]) * loss + case["distill_alpha"] * from_teacher(case, model, batches)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), models.CLIP).item())
        losses.append(loss.item())
        rates.append(schedule.lr_lambdas[0](schedule.last_epoch) * models.LEARNING_RATE)
        optimizer.step()
        schedule.step()
    return {"losses": losses, "grad_norms": norms, "learning_rates": rates}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    torch.set_num_threads(1)
    found = {
        "losses/rows.jsonl": "".join(json.dumps(row) + "\n" for row in rows()),
        "losses/teacher.jsonl": "".join(json.dumps(row) + "\n" for row in teacher_rows()),
        "losses/steps.json": json.dumps({name: steps(case) for name, case in STEPS.items()}, indent=1) + "\n",
    }
    return max(settle(name, text, check) for name, text in found.items())


if __name__ == "__main__":
    sys.exit(main())
