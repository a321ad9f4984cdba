// SPDX-License-Identifier: Apache-2.0
/** The command's side of the façade. */

import type { Endpoint } from "../endpoint.ts";
import type { Problem } from "../problem.ts";
import { PROBLEM_TYPE } from "../problem.ts";
import { request } from "../transport.ts";
import { Failure } from "./failure.ts";

/** How long a command waits for an instance that is starting, in milliseconds. */
const START_PATIENCE = 15_000;

/** Between two tries, in milliseconds. */
const RETRY_INTERVAL = 100;

/** The façade refused; the message is the problem's detail. */
export class ProblemFailure extends Failure {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** Parameters of a request. */
export interface Parameters {
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
}

/** Talks to one instance. */
export class Client {
  readonly #endpoint: Endpoint;
  readonly #headers: Readonly<Record<string, string>>;

  /** @param token bearer token, which a TCP listener asks for. Default: $WEIR_TOKEN. */
  constructor(endpoint: Endpoint, token?: string) {
    const { WEIR_TOKEN: fallback } = process.env;
    const bearer = token ?? fallback;
    this.#endpoint = endpoint;
    this.#headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
  }

  /**
   * Sends a request and waits while the instance starts.
   * @throws WeirError `ENOTRUNNING` if nobody listens, ProblemFailure if the façade refuses.
   */
  async response(method: string, path: string, p: Parameters = {}): Promise<Response> {
    const deadline = Date.now() + START_PATIENCE;
    for (;;) {
      const response = await request(this.#endpoint, path + queryOf(p.query), {
        method,
        headers: { ...this.#headers, ...(p.body === undefined ? {} : { "content-type": "application/json" }) },
        ...(p.body === undefined ? {} : { body: JSON.stringify(p.body) }),
      });
      if (response.ok) return response;
      const problem = await problemOf(response);
      if (problem.code !== "ENOTREADY" || Date.now() > deadline) throw new ProblemFailure(problem);
      await new Promise((resolve) => setTimeout(resolve, RETRY_INTERVAL));
    }
  }

  /** The body of the answer to a request. `T` is what the façade's contract says it is. */
  async json<T>(method: string, path: string, p: Parameters = {}): Promise<T> {
    return (await (await this.response(method, path, p)).json()) as T;
  }

  /** All objects of a paged list. */
  async list<T>(path: string, query: Parameters["query"] = {}): Promise<T[]> {
    const objects: T[] = [];
    let next: string | undefined = path + queryOf({ limit: "10000", ...query });
    while (next !== undefined) {
      const response: Response = await this.response("GET", next);
      for (const object of (await response.json()) as T[]) objects.push(object);
      next = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
    }
    return objects;
  }
}

function queryOf(query: Parameters["query"]): string {
  const given = Object.entries(query ?? {}).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

async function problemOf(response: Response): Promise<Problem> {
  if (response.headers.get("content-type") === PROBLEM_TYPE) return (await response.json()) as Problem;
  const detail = `Cannot understand the answer: HTTP ${response.status} that is no problem document`;
  return { type: "about:blank", title: "Error", status: response.status, detail };
}
