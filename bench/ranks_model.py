"""How long a step of data-parallel training takes on n ranks, on paper.

Walks through the pipeline of crates/train/src/exchange.rs with measured constants: while a stage of backward computes, one
bucket of gradients travels to be summed and the one before it travels back; what is left, and the rows of the word
table, follow backward. A transfer of m bytes to each of n - 1 ranks takes latency + (n - 1) * overhead + (n - 1) * m / bandwidth.

    python3 bench/ranks_model.py
"""

from dataclasses import dataclass


@dataclass
class Model:
    name: str
    stages: list[int]  # bytes of gradients that each stage of backward completes
    rows: int  # bytes of a rank's rows of the word table
    forward: float  # seconds
    backward: float
    update: float


@dataclass
class Network:
    name: str
    latency: float  # seconds
    overhead: float  # seconds a message
    bandwidth: float  # bytes a second, in and out at once


def transfer(network, n, part):
    return network.latency + (n - 1) * network.overhead + (n - 1) * part / network.bandwidth


def step(model, network, n):
    """Seconds of a step, and of it seconds of waiting."""
    alone = model.forward + model.backward + model.update
    if n == 1:
        return alone, 0.0
    each = model.backward / len(model.stages)
    time, leaving, returning = 0.0, None, None
    for completed in model.stages:
        underway = sum(transfer(network, n, bucket / n) for bucket in (leaving, returning) if bucket is not None)
        time += max(each, underway)
        leaving, returning = completed, leaving
    while leaving is not None or returning is not None:
        time += sum(transfer(network, n, bucket / n) for bucket in (leaving, returning) if bucket is not None)
        leaving, returning = None, leaving
    # Two gatherings: how much each has, and the rows.
    time += transfer(network, n, 8) + transfer(network, n, model.rows)
    total = model.forward + time + model.update
    return total, total - alone


def main():
    # Dense gradients: six layers of 7.1 MB (H 384, F 1536), head, then positions and norm; twelve of 28.4 MB (H 768, F 3072).
    minilm = Model("MiniLM-L6, 8 sentences a rank", [8_000] + [7_100_000] * 6 + [790_000], 170 * 384 * 4, 0.013, 0.027, 0.003)
    base = Model("BERT-base, 32 sentences a rank", [28_000] + [28_350_000] * 12 + [1_600_000], 700 * 768 * 4, 0.65, 1.30, 0.03)
    networks = [
        Network("one machine, shared memory (measured)", 0.7e-6, 0.3e-6, 9.4e9),
        Network("TCP of two namespaces (measured)", 15e-6, 5e-6, 1.9e9),
        Network("10 Gbit/s Ethernet", 30e-6, 10e-6, 1.18e9),
        Network("100 Gbit/s InfiniBand", 2e-6, 1e-6, 11.8e9),
    ]
    for model in (minilm, base):
        print(f"\n{model.name}: {1e3 * step(model, networks[0], 1)[0]:.0f} ms alone\n")
        print("| ranks | " + " | ".join(network.name for network in networks) + " |")
        print("|---|" + "---|" * len(networks))
        for n in (2, 4, 8, 16, 32, 64):
            cells = []
            for network in networks:
                total, waiting = step(model, network, n)
                cells.append(f"{100 * (total - waiting) / total:.0f} % ({1e3 * waiting:.1f} ms)")
            print(f"| {n} | " + " | ".join(cells) + " |")


main()
