"""A small random Llama with a byte-level tokenizer as GGUF, for end-to-end tests without a download."""
import gguf
import numpy as np

BEGIN, END, START = 256, 257, 258
VOCABULARY = 259


def byte_tokens():
    """GPT-2's map from bytes to characters that print."""
    prints = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in prints]
    return [chr(b) if b in prints else chr(256 + others.index(b)) for b in range(256)]


def write(path, seed=1, tokenizer=True, context=128, layers=2, hidden=32, ffn=64, heads=4, kv_heads=2):
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_block_count(layers)
    writer.add_context_length(context)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(hidden // heads)
    if tokenizer:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("smollm")
        writer.add_token_list([*byte_tokens(), "<|begin|>", "<|im_end|>", "<|im_start|>"])
        writer.add_token_types([1] * 256 + [3] * 3)
        writer.add_token_merges([])
        writer.add_bos_token_id(BEGIN)
        writer.add_eos_token_id(END)
        writer.add_add_bos_token(False)
    matrix = lambda rows, cols: random.uniform(-0.4, 0.4, (rows, cols)).astype(np.float32)
    norm = lambda: random.uniform(0.9, 1.1, hidden).astype(np.float32)
    writer.add_tensor("token_embd.weight", matrix(VOCABULARY, hidden))
    writer.add_tensor("output_norm.weight", norm())
    kv = hidden // heads * kv_heads
    for i in range(layers):
        shapes = {"attn_q": (hidden, hidden), "attn_k": (kv, hidden), "attn_v": (kv, hidden),
                  "attn_output": (hidden, hidden), "ffn_gate": (ffn, hidden), "ffn_up": (ffn, hidden),
                  "ffn_down": (hidden, ffn)}
        writer.add_tensor(f"blk.{i}.attn_norm.weight", norm())
        writer.add_tensor(f"blk.{i}.ffn_norm.weight", norm())
        for name, shape in shapes.items():
            writer.add_tensor(f"blk.{i}.{name}.weight", matrix(*shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
