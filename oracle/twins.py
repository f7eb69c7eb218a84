"""How far each wrong formula moves the numbers of golden/models: golden/twins/<folder>.json.

A test's tolerance is worth something only if these mistakes exceed it. Each entry is the largest absolute difference
from expect.safetensors that the mistake makes in `logits`, in `grad` (over all gradients) or in `losses` (ten steps).

    python twins.py            write the files
    python twins.py --check    derive them again and compare; exit status 1 on a difference
"""

import argparse
import json
import sys

import torch
from safetensors.torch import load_file

from models import GOLDEN, LEARNING_RATE, Sentences, one_batch, optimizer_of, random_model, train, unpadded


def layer_norm_twin(denominator):
    """Every LayerNorm divides by `denominator(centered row, eps)`."""

    def apply(model):
        for module in model.modules():
            if isinstance(module, torch.nn.LayerNorm):
                module.forward = lambda x, norm=module: divided(x - x.mean(-1, keepdim=True), norm)

    def divided(centered, norm):
        return centered / denominator(centered, norm.eps) * norm.weight + norm.bias

    return apply


def tanh_gelu(model):
    for layer in model.base_model.encoder.layer:
        layer.intermediate.intermediate_act_fn = torch.nn.GELU(approximate="tanh")


def unscaled_attention(model):
    for layer in model.base_model.encoder.layer:
        layer.attention.self.scaling = 1.0


def exchanged_gate(model):
    for layer in model.model.layers:
        value, gate = layer.mlp.Wi.weight.data.chunk(2)
        layer.mlp.Wi.weight.data = torch.cat([gate, value])


def neighbors_turned(model):
    """Rotary positions of neighbors: the same as of halves once a head's rows are put in this order."""
    width = model.config.hidden_size // model.config.num_attention_heads
    order = torch.cat([torch.arange(0, width, 2), torch.arange(1, width, 2)])
    for layer in model.model.layers:
        rows = layer.attn.Wqkv.weight.data.view(3, -1, width, model.config.hidden_size)
        rows[:2] = rows[:2, :, order].clone()


def seen_by_all(model):
    model.config.local_attention = 2 * model.config.max_position_embeddings


def one_theta(model):
    rotary = model.model.rotary_emb
    rotary.sliding_attention_inv_freq = rotary.full_attention_inv_freq


def linear_buckets(model):
    model.deberta.encoder.position_buckets = -1


def scale_of_one_term(model):
    """1/√D for 1/√(3D): as if queries, of content and of positions, were √3 as long."""
    for layer in model.deberta.encoder.layer:
        query = layer.attention.self.query_proj
        query.weight.data *= 3**0.5
        query.bias.data *= 3**0.5


def trained_padding_row(model):
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            module.padding_idx = None


# A change of the model in place, and whether the forward pass or only the gradients notice it.
MODEL_TWINS = {
    "bert": {
        "gelu_in_tanh_form": tanh_gelu,
        "attention_not_scaled": unscaled_attention,
        "variance_over_n_minus_1": layer_norm_twin(
            lambda x, eps: (x.square().sum(-1, keepdim=True) / (x.shape[-1] - 1) + eps).sqrt()
        ),
        "padding_row_gets_gradient": trained_padding_row,
    },
    "bert_eps": {
        "eps_outside_root": layer_norm_twin(lambda x, eps: x.square().mean(-1, keepdim=True).sqrt() + eps),
        "eps_1e-12": layer_norm_twin(lambda x, eps: (x.square().mean(-1, keepdim=True) + 1e-12).sqrt()),
    },
    "roberta": {"padding_row_gets_gradient": trained_padding_row},
    "modernbert": {
        "gate_and_value_exchanged": exchanged_gate,
        "neighbors_turned_not_halves": neighbors_turned,
        "no_window": seen_by_all,
        "one_theta": one_theta,
    },
    "deberta-v2": {"linear_buckets": linear_buckets, "scale_of_one_term": scale_of_one_term},
}


def model_twins(name: str, expect: dict) -> dict[str, dict[str, float]]:
    twins = {}
    for twin, apply in MODEL_TWINS[name].items():
        model = random_model(name).double()
        apply(model)
        got = one_batch(model, Sentences(model.config))
        moved = {"logits": farthest(got["logits"], expect["logits"])}
        moved["grad"] = max(farthest(got[key], expect[key]) for key in got if key.startswith("grad."))
        # What is left of a twin that leaves the logits alone is their rounding to float32 in the file.
        twins[twin] = {key: value for key, value in moved.items() if value > 1e-6}
    return twins


def farthest(got: torch.Tensor, want: torch.Tensor) -> float:
    return (got.detach() - want.double()).abs().max().item()


def leaking_logits(model, sentences: Sentences) -> torch.Tensor:
    """All sentences as one: positions and types as they were, attention across the boundaries."""
    batch = sentences.padded()
    positions = torch.cat([torch.arange(len(ids)) for ids in sentences.ids])
    joined = {key: unpadded(batch[key], batch)[None] for key in ("input_ids", "token_type_ids")}
    return model(**joined, position_ids=positions[None]).logits[0]


def positioned_logits(model, sentences: Sentences, first: int) -> torch.Tensor:
    """Positions counted from `first`, the padding id among them."""
    batch = sentences.padded()
    positions = torch.arange(first, first + batch["input_ids"].shape[1]).expand_as(batch["input_ids"])
    return unpadded(model(**batch, position_ids=positions).logits, batch)


def input_twins(name: str, expect: dict) -> dict[str, dict[str, float]]:
    model = random_model(name).double()
    sentences = Sentences(model.config)
    if name == "bert":
        batch = sentences.padded()
        typeless = model(**{key: value for key, value in batch.items() if key != "token_type_ids"}).logits
        logits = {
            "attention_across_sentences": leaking_logits(model, sentences),
            "types_ignored": unpadded(typeless, batch),
        }
    elif name == "roberta":
        pad = model.config.pad_token_id
        logits = {
            "positions_from_0": positioned_logits(model, sentences, 0),
            "positions_count_padding": positioned_logits(model, sentences, pad + 1),
        }
    else:
        logits = {}
    return {twin: {"logits": farthest(value, expect["logits"])} for twin, value in logits.items()}


def coupled_decay(model) -> torch.optim.Optimizer:
    groups = optimizer_of(model).param_groups
    return torch.optim.Adam(
        [{"params": group["params"], "weight_decay": group["weight_decay"]} for group in groups], LEARNING_RATE
    )


def without_bias_correction(model) -> torch.optim.Optimizer:
    optimizer = optimizer_of(model)
    for parameter in model.parameters():
        # After so many steps both corrections are 1.
        optimizer.state[parameter] = {
            "step": torch.tensor(1e6),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return optimizer


def rate_of_next_step(optimizer, warmup: int, steps: int):
    def multiplier(k):
        return min((k + 1) / warmup, max(0, steps - k - 1) / (steps - warmup))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, multiplier)


def training_twins(name: str, expect: dict) -> dict[str, dict[str, float]]:
    if name != "bert":
        return {}
    twins = {
        "decay_of_biases_and_norms": lambda model: {
            "optimizer": optimizer_of(model, {n for n, _ in model.named_parameters()})
        },
        "decay_coupled": lambda model: {"optimizer": coupled_decay(model)},
        "no_bias_correction": lambda model: {"optimizer": without_bias_correction(model)},
        "no_clipping": lambda model: {"clip": float("inf")},
        "rate_of_next_step": lambda model: {"schedule_of": rate_of_next_step},
    }
    moved = {}
    for twin, change in twins.items():
        model = random_model(name).double()
        losses = train(model, [Sentences(model.config).padded()], **change(model))["losses"]
        moved[twin] = {"losses": farthest(losses, expect["losses"])}
    return moved


def derive(name: str) -> dict[str, dict[str, float]]:
    expect = load_file(GOLDEN / name / "expect.safetensors")
    twins = model_twins(name, expect) | input_twins(name, expect) | training_twins(name, expect)
    # Two digits say how far; more would only say on which machine.
    return {twin: {key: float(f"{value:.1e}") for key, value in moved.items()} for twin, moved in twins.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed files")
    check = parser.parse_args().check
    different = []
    for name in MODEL_TWINS:
        file, twins = GOLDEN.parent / "twins" / f"{name}.json", derive(name)
        if not check:
            file.write_text(json.dumps(twins, indent=2) + "\n")
        elif json.loads(file.read_text()) != twins:
            different.append(str(file))
    if check:
        print("\n".join(different) or "golden/twins: equal")
        sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
