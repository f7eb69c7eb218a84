"""Label-conditioned span tagging in PyTorch: dense and padded, as the original computes it.

`spans.py` derives golden numbers from it, `bench/rivals/spans.py` races against it. What the original does wrong and
tagsmith does right by default is done right here too: spans of exactly L subwords count, the last token can be part of
an entity, masked places have no weight in a softmax. `parity` brings these three defects back, by tagsmith's names for
them: `longest_span`, `last_piece`, `softmax_mask`. And gold that begins or ends where nothing may is counted as lost, where
the original keeps it and never finds it.
"""

import torch
from torch import nn
from torch.nn import functional

LABEL, THRESHOLD, SEPARATOR = "[LABEL]", "[SPAN_THRESHOLD]", "[SEP]"


def enumerate_spans(positions: int, longest: int) -> list[tuple[int, int]]:
    return [(i, i + k) for i in range(positions) for k in range(longest) if i + k < positions]


def prompt(labels: list[str], format: str, threshold: bool):
    """What stands before the text: a string, or a list of words; and its length in code points or items."""
    words = ([THRESHOLD] if threshold else []) + [word for label in labels for word in (LABEL, label)] + [SEPARATOR]
    return (words, len(words)) if format == "tokens" else (" ".join(words) + " ", len(" ".join(words)) + 1)


def encode(tokenizer, inputs, format: str, max_length: int):
    return tokenizer(
        inputs,
        is_split_into_words=format == "tokens",
        truncation=True,
        max_length=max_length,
        padding="longest",
        return_offsets_mapping=True,
    )


def text_region(encoding, row: int, format: str, masking: str, offset: int):
    """First and last position of the text, and who may begin and end an entity."""
    words, sequence = encoding.word_ids(row), encoding.sequence_ids(row)
    offsets = encoding["offset_mapping"][row]
    if format == "tokens":
        inside = [word is not None and word >= offset for word in words]
    else:
        inside = [s is not None and b > offset for s, (_, b) in zip(sequence, offsets)]
    if not any(inside):
        return None
    first = inside.index(True)
    last = len(inside) - 1 - inside[::-1].index(True)
    everywhere = range(len(words))
    if masking == "none":
        begins = ends = [sequence[p] is not None for p in everywhere]
    else:
        begins = [words[p] is not None and (p == 0 or words[p] != words[p - 1]) for p in everywhere]
        ends = [
            words[p] is not None and (p + 1 == len(words) or words[p] != words[p + 1]) for p in everywhere
        ]
    return first, last, begins, ends


def map_gold(encoding, row: int, format: str, first: int, last: int, start: int, end: int):
    """The subword span of a gold one, both ends inclusive; None if it cannot be had."""
    if format == "tokens":
        words = encoding.word_ids(row)
        if start not in words or end - 1 not in words:
            return None
        i = words.index(start)
        j = last
        while words[j] is None or words[j] >= end:
            j -= 1
    else:
        offsets = encoding["offset_mapping"][row]
        if offsets[first][0] > start or offsets[last][1] < end:
            return None
        i = max(p for p in range(first, last + 1) if offsets[p][0] <= start)
        j = last
        while j >= first and offsets[j][1] >= end:
            j -= 1
        j += 1
    return (i, j) if i <= j else None


def collate(examples, tokenizer, labels, *, cross, contrastive, format, masking, longest, max_length, parity=()):
    """A padded batch. An example is (text or words, [(start, end, label)])."""
    threshold = cross and contrastive
    if cross:
        before, offset = prompt(labels, format, threshold)
        inputs = [before + list(text) if format == "tokens" else before + text for text, _ in examples]
    else:
        offset = 0
        inputs = [text for text, _ in examples]
    encoding = encode(tokenizer, inputs, format, max_length)
    batch = {key: torch.tensor(encoding[key]) for key in ("input_ids", "attention_mask")}
    regions = [text_region(encoding, row, format, masking, offset) for row in range(len(examples))]
    begin = min(region[0] for region in regions if region) if cross else 0
    extra = int(threshold)
    width = batch["input_ids"].shape[1] - begin + extra
    too_long = longest if "longest_span" in parity else longest + extra + 1
    longest += extra
    unreached = int("last_piece" in parity and threshold)
    spans = enumerate_spans(width - unreached, longest)
    index, at = {span: n for n, span in enumerate(spans)}, torch.tensor(spans)
    rows, kinds = len(examples), len(labels)
    starts, ends = torch.zeros(rows, width), torch.zeros(rows, width)
    valid = torch.zeros(rows, len(spans))
    gold = {"start": torch.zeros(rows, kinds, width), "end": torch.zeros(rows, kinds, width)}
    gold["span"] = torch.zeros(rows, kinds, len(spans))
    mentions, lost, mapped = [], 0, []
    for row, ((_, entities), region) in enumerate(zip(examples, regions)):
        mapped.append(set())
        if region is None:
            lost += len(entities)
            continue
        first, last, begins, ends_here = region
        inside = slice(first - begin + extra, last + 1 - begin + extra)
        starts[row, inside] = torch.tensor(begins[first : last + 1]).float()
        ends[row, inside] = torch.tensor(ends_here[first : last + 1]).float()
        valid[row] = starts[row, at[:, 0]] * ends[row, at[:, 1]]
        if unreached:
            # The test of the end does not know that places are one further on.
            valid[row] *= at[:, 1] <= last - begin
        for start, end, label in entities:
            place = map_gold(encoding, row, format, first, last, start + offset, end + offset)
            if place is not None:
                i, j = place[0] - begin + extra, place[1] - begin + extra
            if place is None or (i, j) not in index or j - i + 1 >= too_long or not starts[row, i] * ends[row, j]:
                lost += 1
                continue
            kind = labels.index(label)
            gold["start"][row, kind, i] = gold["end"][row, kind, j] = 1
            gold["span"][row, kind, index[i, j]] = 1
            mentions.append((row, kind, i, j, index[i, j]))
            mapped[-1].add((i - extra, j - extra, label))
    batch |= {
        "spans": at,
        "widths": torch.tensor([j - i + 1 for i, j in spans]),
        "start_mask": starts,
        "end_mask": ends,
        "span_mask": valid,
        "gold": gold,
        "mentions": mentions,
        "lost": lost,
        "mapped": mapped,
        "begin": begin,
    }
    if cross:
        ids = encoding["input_ids"][0]
        marker = tokenizer.convert_tokens_to_ids(LABEL)
        batch["label_positions"] = torch.tensor([p for p in range(begin) if ids[p] == marker])
        assert len(batch["label_positions"]) == kinds
        if threshold:
            batch["threshold_position"] = ids.index(tokenizer.convert_tokens_to_ids(THRESHOLD))
    return batch


def mlp(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.Dropout(dropout), nn.ReLU(), nn.Linear(outputs, outputs))


class SpanModel(nn.Module):
    def __init__(self, token_encoder, type_encoder, settings: dict):
        super().__init__()
        self.settings = settings
        self.cross, self.contrastive = type_encoder is None, settings["loss_fn"] == "contrastive"
        self.token_encoder = token_encoder
        if not self.cross:
            self.type_encoder = type_encoder
        hidden, width = settings["linear_hidden_size"], settings["span_width_embedding_size"]
        rate, longest = settings["dropout"], settings["max_span_length"]
        kinds = (token_encoder if self.cross else type_encoder).config.hidden_size
        self.type_linear = mlp(kinds, hidden, rate)
        self.token_start_linear = mlp(token_encoder.config.hidden_size, hidden, rate)
        self.token_end_linear = mlp(token_encoder.config.hidden_size, hidden, rate)
        self.token_span_linear = mlp(2 * hidden + width, hidden, rate)
        if not self.cross and not self.contrastive:
            self.fusion_linear = mlp(2 * hidden, hidden, rate)
        rows = longest + 2 if self.cross and self.contrastive else longest + 1
        self.width_embedding = nn.Embedding(rows, width, padding_idx=0)
        scale = torch.log(torch.tensor(1 / settings["init_temperature"]))
        self.start_logit_scale = nn.Parameter(scale.clone())
        self.end_logit_scale = nn.Parameter(scale.clone())
        self.span_logit_scale = nn.Parameter(scale.clone())
        self.dropout = nn.Dropout(rate)

    def encode_labels(self, labels: dict) -> torch.Tensor:
        states = self.type_encoder(**labels).last_hidden_state
        if self.settings["type_encoder_pooling"] != "mean":
            return states[:, 0]
        mask = labels["attention_mask"].unsqueeze(-1).to(states.dtype)
        return (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)

    def forward(self, batch: dict, labels: dict | None = None, label_vectors=None):
        states = self.token_encoder(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).last_hidden_state
        if self.cross:
            kinds = states[:, batch["label_positions"]]
            text = states[:, batch["begin"] :]
            if self.contrastive:
                text = torch.cat([states[:, batch["threshold_position"]].unsqueeze(1), text], 1)
        else:
            kinds = self.encode_labels(labels) if label_vectors is None else label_vectors
            text = states
        unit = lambda x: functional.normalize(self.dropout(x), dim=-1)
        # A bi-encoder's label vectors are the batch's: every text meets the same, dropout and all.
        u = unit(self.type_linear(kinds)).expand(len(states), -1, -1)
        a, z = unit(self.token_start_linear(text)), unit(self.token_end_linear(text))
        spans = batch["spans"]
        widths = self.width_embedding(batch["widths"]).unsqueeze(0).expand(len(states), -1, -1)
        v = unit(self.token_span_linear(torch.cat([a[:, spans[:, 0]], z[:, spans[:, 1]], widths], -1)))
        against = lambda scale, x: scale.exp() * u @ x.transpose(1, 2)
        return {
            "start": against(self.start_logit_scale, a),
            "end": against(self.end_logit_scale, z),
            "span": against(self.span_logit_scale, v),
        }


def draw_head(model: SpanModel, seed: int):
    """New weights for all but the encoders: linear ones and width embeddings N(0, 0.02), biases and the width of no span 0."""
    torch.manual_seed(seed)
    for name, module in model.named_modules():
        if "encoder" not in name and isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.02)
            nn.init.zeros_(module.bias)
    nn.init.normal_(model.width_embedding.weight, 0, 0.02)
    with torch.no_grad():
        model.width_embedding.weight[0] = 0


def bce_elements(x, y, positive_weight):
    weight = 1.0 if positive_weight is None else positive_weight
    return weight * y * functional.softplus(-x) + (1 - y) * functional.softplus(x)


def classification_loss(name: str, x, y, mask, settings: dict, positive_weight=None):
    """Of one of start, end and span: (B, C, n) scores and gold, (B, n) mask."""
    mask = mask.unsqueeze(1).expand_as(x)
    count = x.numel()
    if name == "bce":
        return 100 * (mask * bce_elements(x, y, positive_weight)).sum() / count
    if name == "focal":
        alpha, gamma = settings["focal_alpha"], settings["focal_gamma"]
        q = torch.sigmoid(x)
        right = q * y + (1 - q) * (1 - y)
        loss = bce_elements(x, y, positive_weight) * (1 - right) ** gamma
        if alpha >= 0:
            loss = loss * (alpha * y + (1 - alpha) * (1 - y))
        return 100 * (mask * loss).sum() / count
    if name == "dice":
        p, y = torch.sigmoid(x) * mask, y * mask
        smooth = settings["dice_smooth"]
        return 100 * (1 - (2 * (p * y).sum() + smooth) / ((p * p).sum() + (y * y).sum() + smooth))
    assert name == "dice_focal"
    part = lambda name: classification_loss(name, x, y, mask[:, 0], settings, positive_weight)
    return settings["dice_weight"] * part("dice") + settings["focal_weight"] * part("focal")


def softmax_loss(x, target, mask, tau: float, parity=()):
    """−x_t/τ + ln Σ m e^(x/τ), row by row."""
    x = x / tau
    x = x + (mask + 1e-13).log() if "softmax_mask" in parity else x.masked_fill(mask == 0, float("-inf"))
    return torch.logsumexp(x, -1) - x.gather(-1, target.unsqueeze(-1)).squeeze(-1)


def contrastive_terms(x, gold, mask, mentions, places, tau: float, parity=()):
    """The threshold term and the mention term of one of start, end and span."""
    negative = mask.unsqueeze(1).expand_as(x).clone()
    negative[..., 0] = 1
    negative[gold == 1] = 0
    threshold = softmax_loss(x, torch.zeros(x.shape[:2], dtype=torch.long), negative, tau, parity).mean()
    if not mentions:
        return threshold, x.sum() * 0
    row = torch.tensor([mention[0] for mention in mentions])
    kind = torch.tensor([mention[1] for mention in mentions])
    place = torch.tensor(places)
    own = negative[row, kind].clone()
    own[torch.arange(len(place)), place] = 1
    return threshold, softmax_loss(x[row, kind], place, own, tau, parity).mean()


def loss_of(scores: dict, batch: dict, settings: dict, parity=()):
    weights = {part: settings[f"{part}_loss_weight"] for part in ("start", "end", "span")}
    gold = batch["gold"]
    if settings["loss_fn"] != "contrastive":
        return sum(
            weight
            * classification_loss(
                settings["loss_fn"],
                scores[part],
                gold[part],
                batch[f"{part}_mask"],
                settings,
                settings[f"bce_{part}_pos_weight"],
            )
            for part, weight in weights.items()
        )
    threshold = mention = 0
    for column, (part, weight) in zip((2, 3, 4), weights.items()):
        places = [m[column] for m in batch["mentions"]]
        mask, tau = batch[f"{part}_mask"], settings["contrastive_tau"]
        terms = contrastive_terms(scores[part], gold[part], mask, batch["mentions"], places, tau, parity)
        threshold, mention = threshold + weight * terms[0], mention + weight * terms[1]
    return (
        settings["contrastive_threshold_loss_weight"] * threshold
        + settings["contrastive_span_loss_weight"] * mention
    )


def decode(probabilities, valid, spans, threshold, labels, extra: int = 0, mode: str = "flat"):
    """One row's entities (start, end, label, score). `threshold` is a number, or None for column 0. In (C, N)."""
    kept = []
    for kind in range(len(labels)):
        bar = probabilities[kind][0] if threshold is None else threshold
        for n, (i, j) in enumerate(spans):
            if valid[n] and probabilities[kind][n] > bar:
                kept.append((-probabilities[kind][n], i - extra, j - extra, kind))
    accepted = []
    for minus, i, j, kind in sorted(kept):
        if mode == "flat":
            clash = any(i <= other[1] and other[0] <= j for other in accepted)
        elif mode == "nested":
            clash = any(
                (i < other[0] <= j < other[1]) or (other[0] < i <= other[1] < j) or (i, j) == other[:2]
                for other in accepted
            )
        else:
            clash = any(i <= other[1] and other[0] <= j and kind == other[2] for other in accepted)
        if not clash:
            accepted.append((i, j, kind, -minus))
    return [(i, j, labels[kind], score) for i, j, kind, score in accepted]


def score(gold: list[set], predicted: list[set]) -> dict:
    """Figures of sets of (start, end, label), one a text."""
    counts = {}
    for g, p in zip(gold, predicted):
        for label in {entity[2] for entity in g | p}:
            c = counts.setdefault(label, [0, 0, 0])
            g_, p_ = {e for e in g if e[2] == label}, {e for e in p if e[2] == label}
            c[0] += len(g_ & p_)
            c[1] += len(p_ - g_)
            c[2] += len(g_ - p_)

    def figures(tp, fp, fn):
        precision = tp / (tp + fp) if tp + fp else 0.0
        recall = tp / (tp + fn) if tp + fn else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        return {"tp": tp, "fp": fp, "fn": fn, "precision": precision, "recall": recall, "f1": f1}

    classes = {label: figures(*c) for label, c in sorted(counts.items())}
    mean = lambda key: sum(c[key] for c in classes.values()) / len(classes) if classes else 0.0
    return {
        "per_class": classes,
        "micro": figures(*(sum(c[n] for c in counts.values()) for n in range(3))),
        "macro": {key: mean(key) for key in ("precision", "recall", "f1")} | {"num_classes": len(classes)},
    }
