// Answers of the server that the page came from.

export const PRIVACY = "They are sent to this server, which keeps none of them.";

export async function models() {
  return [];
}
