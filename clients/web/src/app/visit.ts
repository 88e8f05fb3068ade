/** The visit of somebody who came by a share link: what they may see, for how long, and how it ended. */

import { signal } from "@preact/signals";
import { ApiError, describe, readAsVisitor } from "./api";
import { linkAddress, settleLink, type LinkAddress } from "./router";
import { openShare, readShare, type Share } from "./shares";

/** What the link shows; null for who is no visitor, or before it was opened. */
export const visit = signal<Share | null>(null);
/** Why there is nothing to see (any more), as a sentence; "" while there is. */
export const visitProblem = signal("");

const ENDED = "This link has expired or was revoked, or only a part of it was opened. Ask whoever sent it to you for another.";

/** The share link that the page was opened by; null if by none. It decides what the page is until it is left. */
export const arrival: LinkAddress | null = linkAddress(location.pathname, location.hash);

/** Open the link; returns whether there is something to see. */
export async function enterAsVisitor(by: LinkAddress): Promise<boolean> {
  try {
    if ("link" in by && by.link === "") throw new ApiError(401, "link_ended", ENDED);
    const share = "link" in by ? await openShare(by.link) : await readShare(by.shareId);
    settleLink(share.id);
    readAsVisitor(share.id);
    visit.value = share;
    return true;
  } catch (error) {
    visitProblem.value = error instanceof ApiError && error.status === 401 ? ENDED : describe(error);
    return false;
  }
}

/** Note that the server shows nothing any more: the link was revoked, or its time is over. */
export function visitEnded(): void {
  visitProblem.value = ENDED;
}
