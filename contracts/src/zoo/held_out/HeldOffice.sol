// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Ownable2Step, Ownable} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @title Tokens for whoever is on a list, by proof.
/// @notice WRITTEN FOR DRILLS. Sound.
contract HeldDrop is Ownable2Step {
    using SafeERC20 for IERC20;

    IERC20 public immutable token;
    bytes32 public root;
    mapping(address account => bool done) public claimed;

    event Claimed(address indexed account, uint256 amount);

    constructor(IERC20 token_, address owner_) Ownable(owner_) {
        token = token_;
    }

    /// @notice A list comes into force.
    function open(bytes32 root_) external onlyOwner {
        root = root_;
    }

    /// @notice Pays the caller's part, once.
    function claim(uint256 amount, bytes32[] calldata proof) external {
        require(!claimed[msg.sender], "claimed");
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(msg.sender, amount))));
        require(MerkleProof.verify(proof, root, leaf), "not listed");
        claimed[msg.sender] = true;
        token.safeTransfer(msg.sender, amount);
        emit Claimed(msg.sender, amount);
    }

    /// @notice What nobody claimed goes back.
    function finish(address to) external onlyOwner {
        token.safeTransfer(to, token.balanceOf(address(this)));
    }
}

/// @title Pays what was promised, as time goes by.
/// @notice WRITTEN FOR DRILLS. Sound.
contract HeldVesting {
    using SafeERC20 for IERC20;

    /// @notice A promise.
    struct Grant {
        uint256 amount;
        uint256 cliff;
        uint256 end;
        uint256 released;
    }

    IERC20 public immutable token;
    address private immutable _granter;
    mapping(address account => Grant terms) public grants;

    event Released(address indexed account, uint256 amount);

    constructor(IERC20 token_) {
        token = token_;
        _granter = msg.sender;
    }

    /// @notice Promises `amount`, nothing before `cliff`, all of it at `end`.
    function grant(address account, uint256 amount, uint256 cliff, uint256 end) external {
        require(msg.sender == _granter, "not yours");
        token.safeTransferFrom(msg.sender, address(this), amount);
        grants[account] = Grant(amount, cliff, end, 0);
    }

    /// @notice Pays the caller what has vested.
    function release() external {
        Grant storage terms = grants[msg.sender];
        require(block.timestamp >= terms.cliff, "too early");
        uint256 vested = block.timestamp >= terms.end ? terms.amount : terms.amount / 4;
        uint256 due = vested - terms.released;
        terms.released = vested;
        token.safeTransfer(msg.sender, due);
        emit Released(msg.sender, due);
    }
}

/// @title A fund with an owner and an operator: wages, dust, purchases, claims of the insured.
/// @notice WRITTEN FOR DRILLS. Sound; in the zoo the operator's key is stolen.
contract HeldFund is Ownable2Step {
    using SafeERC20 for IERC20;

    address public operator;
    mapping(address account => uint256 amount) public balances;
    mapping(uint256 claim => uint256 approvals) public approvals;
    mapping(uint256 claim => mapping(address assessor => bool done)) private _approved;
    mapping(address account => bool is_) public isAssessor;

    event OperatorChanged(address indexed operator);
    event Paid(address indexed to, address indexed token, uint256 amount);

    constructor(address owner_, address operator_, address[] memory assessors) Ownable(owner_) {
        operator = operator_;
        for (uint256 index = 0; index < assessors.length; index++) isAssessor[assessors[index]] = true;
    }

    receive() external payable {}

    modifier onlyOperator() {
        require(msg.sender == operator || msg.sender == owner(), "not the operator");
        _;
    }

    /// @notice Another operator.
    function setOperator(address operator_) external onlyOwner {
        operator = operator_;
        emit OperatorChanged(operator_);
    }

    /// @notice Keeps the caller's tokens for him.
    function deposit(IERC20 token, uint256 amount) external {
        token.safeTransferFrom(msg.sender, address(this), amount);
        balances[msg.sender] += amount;
    }

    /// @notice Pays out of what is kept for `account`, who asked elsewhere.
    function payOut(IERC20 token, address account, address to, uint256 amount) external onlyOperator {
        balances[account] -= amount;
        token.safeTransfer(to, amount);
        emit Paid(to, address(token), amount);
    }

    /// @notice Wages: `amounts` to those in `to`.
    function payAll(IERC20 token, address[] calldata to, uint256[] calldata amounts) external onlyOperator {
        for (uint256 index = 0; index < to.length; index++) {
            token.safeTransfer(to[index], amounts[index]);
            emit Paid(to[index], address(token), amounts[index]);
        }
    }

    /// @notice What is left of tokens that nobody wants.
    function sweepDust(IERC20[] calldata tokens, address to) external onlyOperator {
        for (uint256 index = 0; index < tokens.length; index++) {
            tokens[index].safeTransfer(to, tokens[index].balanceOf(address(this)));
        }
    }

    /// @notice Allows a venue `amount` and has it do `data`, for at least `least` of `bought`.
    function trade(IERC20 sold, uint256 amount, IERC20 bought, uint256 least, address venue, bytes calldata data)
        external
        onlyOperator
    {
        uint256 before = bought.balanceOf(address(this));
        sold.forceApprove(venue, amount);
        (bool success,) = venue.call(data);
        require(success && bought.balanceOf(address(this)) >= before + least, "bad trade");
        sold.forceApprove(venue, 0);
    }

    /// @notice An assessor agrees to a claim; the second pays it.
    function assess(uint256 claim, IERC20 token, address to, uint256 amount) external {
        uint256 key = uint256(keccak256(abi.encode(claim, token, to, amount)));
        require(isAssessor[msg.sender] && !_approved[key][msg.sender], "not an assessor");
        _approved[key][msg.sender] = true;
        approvals[key] += 1;
        if (approvals[key] != 2) return;
        token.safeTransfer(to, amount);
        emit Paid(to, address(token), amount);
    }
}

/// @title Settles signed orders of many at one price: takes from all, pays all. A solver brings the calls between.
/// @notice WRITTEN FOR DRILLS. Sound: nobody gets less than he signed for.
contract HeldSettlement {
    using SafeERC20 for IERC20;

    /// @notice What a user signed.
    struct Trade {
        address user;
        IERC20 sell;
        IERC20 buy;
        uint256 sells;
        uint256 buys;
        uint256 nonce;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    mapping(address account => bool is_) public isSolver;
    mapping(address user => mapping(uint256 nonce => bool done)) public used;

    event Settlement(address indexed solver);

    constructor(address[] memory solvers) {
        for (uint256 index = 0; index < solvers.length; index++) isSolver[solvers[index]] = true;
    }

    /// @notice Takes what is sold, does the calls, pays what is bought.
    function settle(Trade[] calldata trades, address[] calldata targets, bytes[] calldata data) external {
        require(isSolver[msg.sender], "not a solver");
        for (uint256 index = 0; index < trades.length; index++) {
            Trade calldata one = trades[index];
            require(!used[one.user][one.nonce], "used");
            used[one.user][one.nonce] = true;
            bytes32 hash =
                keccak256(abi.encode(address(this), one.user, one.sell, one.buy, one.sells, one.buys, one.nonce));
            require(ecrecover(hash, one.v, one.r, one.s) == one.user, "not signed");
            one.sell.safeTransferFrom(one.user, address(this), one.sells);
        }
        for (uint256 index = 0; index < targets.length; index++) {
            (bool success,) = targets[index].call(data[index]);
            require(success, "call failed");
        }
        for (uint256 index = 0; index < trades.length; index++) {
            trades[index].buy.safeTransfer(trades[index].user, trades[index].buys);
        }
        emit Settlement(msg.sender);
    }
}

/// @title Gives one coin for another at par.
/// @notice WRITTEN FOR DRILLS. Sound.
contract HeldPar is Ownable2Step {
    using SafeERC20 for IERC20;

    IERC20 public immutable reserve;
    mapping(address account => uint256 coins) public coins;
    uint256 public supply;

    event Redeemed(address indexed account, uint256 amount);

    constructor(IERC20 reserve_, address owner_) Ownable(owner_) {
        reserve = reserve_;
    }

    /// @notice A coin for each token.
    function issue(uint256 amount) external {
        reserve.safeTransferFrom(msg.sender, address(this), amount);
        coins[msg.sender] += amount;
        supply += amount;
    }

    /// @notice And back.
    function redeem(uint256 amount) external {
        coins[msg.sender] -= amount;
        supply -= amount;
        reserve.safeTransfer(msg.sender, amount);
        emit Redeemed(msg.sender, amount);
    }

    /// @notice Guardians bring everything to safety.
    function rescue(address to) external onlyOwner {
        reserve.safeTransfer(to, reserve.balanceOf(address(this)));
    }
}

/// @title Sells one thing to the highest bidder, and gives the others back what they bid; or refunds a failed sale.
/// @notice WRITTEN FOR DRILLS. `settle` and `refund` are sound. The flaw: `cancelBid` pays back and forgets to forget.
contract HeldAuction {
    address private immutable _seller;
    mapping(address account => uint256 amount) public bids;
    mapping(address account => bool done) public left;
    address public best;
    bool public failed;

    event Bid(address indexed account, uint256 amount);
    event Refunded(address indexed account, uint256 amount);

    constructor(address seller) {
        _seller = seller;
    }

    /// @notice Bids what comes along.
    function bid() external payable {
        bids[msg.sender] += msg.value;
        if (bids[msg.sender] > bids[best]) best = msg.sender;
        emit Bid(msg.sender, msg.value);
    }

    /// @notice The seller takes the best bid.
    function settle() external {
        require(msg.sender == _seller, "not the seller");
        uint256 amount = bids[best];
        bids[best] = 0;
        _send(_seller, amount);
    }

    /// @notice The sale failed; everybody may have his bid back.
    function fail() external {
        require(msg.sender == _seller, "not the seller");
        failed = true;
        best = address(0);
    }

    /// @notice Gives the caller his bid back, who is not the best.
    function refund() external {
        require(msg.sender != best, "you are the best");
        uint256 amount = bids[msg.sender];
        bids[msg.sender] = 0;
        _send(msg.sender, amount);
        emit Refunded(msg.sender, amount);
    }

    /// @notice Takes a bid back while the auction runs. The flaw: the next one finds it still there.
    function cancelBid(uint256 amount) external {
        require(msg.sender != best && bids[msg.sender] >= amount, "not that much");
        left[msg.sender] = true;
        _send(msg.sender, amount);
        emit Refunded(msg.sender, amount);
    }

    /// @dev Sends ether or fails.
    function _send(address to, uint256 amount) internal {
        (bool sent,) = to.call{value: amount}("");
        require(sent, "not sent");
    }
}
