# The demonstration, and TensorBoard: docs/container.md tells how to use them.
FROM debian:bookworm-slim

ENV PATH=/opt/mmtrans/bin:$PATH
WORKDIR /usr/src/mmtrans
COPY . .
RUN apt-get update && \
    apt-get install --yes --no-install-recommends python3-venv && \
    rm -rf /var/lib/apt/lists/* && \
    python3 -m venv /opt/mmtrans && \
    pip install --no-cache-dir -c constraints.txt . && \
    useradd --create-home mmtrans

# The home holds what runs leave, and the corpus of the demonstration.
USER mmtrans
WORKDIR /home/mmtrans
EXPOSE 6006
CMD ["mmtrans-train"]
